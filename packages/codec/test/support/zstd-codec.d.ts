/** The part of the untyped package `zstd-codec` that tests use. */
declare module 'zstd-codec' {
  interface Encoder {
    compress(content: Uint8Array, level: number): Uint8Array | null;
  }
  interface Zstd {
    readonly Simple: new () => Encoder;
    readonly Streaming: new () => Encoder;
  }
  const codec: { readonly ZstdCodec: { run(ready: (zstd: Zstd) => void): void } };
  export default codec;
}
