/** Makes zstd streams on every Node, by the encoder half of zstd-codec. */
import codec from 'zstd-codec';

const zstd = await new Promise<Parameters<Parameters<typeof codec.ZstdCodec.run>[0]>[0]>(
  (resolve) => codec.ZstdCodec.run(resolve),
);
const simple = new zstd.Simple();
const streaming = new zstd.Streaming();

/** One frame; only with `contentSize` does its header say how long the content is. */
export function encodeZstd(
  content: Uint8Array,
  { level = 3, contentSize = false } = {},
): Uint8Array {
  const encoded = (contentSize ? simple : streaming).compress(content, level);
  if (encoded === null) throw new Error('zstd-codec did not encode');
  return encoded;
}
