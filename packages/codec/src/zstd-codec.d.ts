/** The untyped module of `zstd-codec` that holds libzstd as WebAssembly. */
declare module 'zstd-codec/lib/zstd-codec-binding-wasm.js' {
  /** Emscripten's way: fills the object that it is given, then calls its hooks. */
  const start: (module: object) => void;
  export default start;
}
