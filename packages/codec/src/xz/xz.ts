/**
 * The decoder of xz (".xz file format").
 *
 * It is code of our own since what the registry has will not do: `xz-decompress` (WebAssembly) only
 * starts and works asynchronously, and needs a dictionary as large as a stream asks for.
 */
import { crc32, readU32le } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { brokenXz, unsupportedXz } from './broken-xz.ts';
import { Lzma2Decoder } from './lzma2.ts';
import { decodeXzBlock } from './xz-block.ts';
import { type XzCheck, xzCheckById } from './xz-check.ts';

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
export const STREAM_HEADER_BYTES = 12;
const FLAGS_AT = 6;
/** Where a block's header would say its length, zero says that the index follows (section 4). */
export const INDEX_INDICATOR = 0;

/**
 * Decodes one stream up to its index. The blocks have to yield exactly the output; index and footer,
 * which only say again what was found, are not looked at.
 */
export class XzDecoder implements Decoder {
  readonly id = 'xz';
  readonly #lzma2 = new Lzma2Decoder();

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    const check = parseStreamHeader(src);
    let srcAt = STREAM_HEADER_BYTES;
    let dstAt = 0;
    while (srcAt < src.length && src[srcAt] !== INDEX_INDICATOR) {
      ({ srcAt, dstAt } = decodeXzBlock(this.#lzma2, check, src, srcAt, dst, dstAt));
    }
    if (srcAt >= src.length) throw brokenXz('it ends without an index');
    requireFull(dst, dstAt);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }
}

function requireFull(dst: Uint8Array, dstAt: number): void {
  if (dstAt < dst.length) {
    throw brokenXz(`it yields ${dstAt} of ${dst.length} bytes`);
  }
}

/** Section 2.1.1. Returns the check that every block has. */
export function parseStreamHeader(src: Uint8Array): XzCheck {
  if (src.length < STREAM_HEADER_BYTES || MAGIC.some((byte, index) => src[index] !== byte)) {
    throw brokenXz('it does not begin as one');
  }
  const flags = src.subarray(FLAGS_AT, FLAGS_AT + 2);
  if (crc32(flags) !== readU32le(src, FLAGS_AT + 2)) {
    throw brokenXz('the checksum of its header does not match');
  }
  if (flags[0] !== 0 || flags[1]! > 0x0f) throw unsupportedXz('has flags that nothing is known of');
  return xzCheckById(flags[1]!);
}
