/**
 * Brings up libzstd as WebAssembly out of the package `zstd-codec`, for either driver.
 *
 * The package's own entry point is left aside for two reasons. Its decoders fail on frames without
 * a content size or copy everything three times, where the binding below them runs three times as
 * fast. And it starts asynchronously only, while a disk may have to be opened without waiting.
 */
import { hostCall, type Step } from '@diskfile/core';
import { builtinModule } from '@diskfile/bytes';
import { cannotLoadNow, packageRequire } from './platform.ts';

const BINDING = 'zstd-codec/lib/zstd-codec-binding-wasm.js';

/** A vector of bytes in the memory of the WebAssembly instance. */
export interface ByteVector {
  resize(lengthBytes: number, fill: number): void;
  /** Gives its memory back; the vector must not be used afterwards. */
  delete(): void;
}

/** A stream that is decoded in pieces. */
export interface ZstdStreamBinding {
  begin(): boolean;
  /** False when the stream is broken. What `emit` gets is valid during the call. */
  transform(src: Uint8Array, emit: (bytes: Uint8Array) => void): boolean;
  delete(): void;
}

export interface ZstdBinding {
  readonly ZstdDecompressStreamBinding: new () => ZstdStreamBinding;
  readonly VectorU8: new () => ByteVector;
  readonly ZstdCodec: new () => {
    /** Length of the content, or a negative number. `dst` has to be large enough. */
    decompress(dst: ByteVector, src: ByteVector): number;
    /** Length of the frame, or a negative number. `dst` has to be as long as {@link compressBound}. */
    compress(dst: ByteVector, src: ByteVector, level: number): number;
    /** The most that a frame of so many bytes can take. */
    compressBound(lengthBytes: number): number;
  };
  cloneToVector(vector: ByteVector, bytes: Uint8Array): void;
  /** A view that holds until the instance's memory next grows. */
  toTypedArrayView(vector: ByteVector): Uint8Array;
}

type Start = (module: object) => void;

interface WasmInstance {
  readonly exports: object;
}

interface FileReader {
  readFileSync(path: string, encoding: 'latin1'): string;
}

interface BufferModule {
  readonly Buffer: { from(text: string, encoding: 'base64'): Uint8Array<ArrayBuffer> };
}

export function* loadZstdBinding(): Step<ZstdBinding> {
  return yield* hostCall(startSync, startAsync);
}

async function startAsync(): Promise<ZstdBinding> {
  const { default: start } = await import('zstd-codec/lib/zstd-codec-binding-wasm.js');
  return await new Promise((resolve, reject) => {
    const module = {
      ...SILENT,
      onAbort: (reason: unknown) => reject(cannotLoadNow(BINDING, reason)),
      // The module has a method `then`, so handing out the module itself would wait for ever.
      onRuntimeInitialized: () => resolve(pickBinding(module)),
    };
    start(module);
  });
}

/**
 * Emscripten instantiates asynchronously unless the hook `instantiateWasm` does it. The hook is not
 * told the code, which the package carries as base64 within its source: there it is read from.
 */
function startSync(): ZstdBinding {
  const require = packageRequire();
  const fs = builtinModule<FileReader>('node:fs');
  const buffer = builtinModule<BufferModule>('node:buffer');
  if (require === undefined || fs === undefined || buffer === undefined) {
    throw cannotLoadNow(BINDING);
  }
  try {
    const start = require(BINDING) as Start;
    const source = fs.readFileSync(require.resolve(BINDING), 'latin1');
    const code = buffer.Buffer.from(embeddedBase64(source), 'base64');
    let binding: ZstdBinding | undefined;
    const module = {
      ...SILENT,
      instantiateWasm: (
        imports: WebAssembly.Imports,
        receive: (instance: WasmInstance) => void,
      ) => {
        const instance = new WebAssembly.Instance(new WebAssembly.Module(code), imports);
        receive(instance);
        return instance.exports;
      },
      onRuntimeInitialized: () => {
        binding = pickBinding(module);
      },
    };
    start(module);
    if (binding !== undefined) return binding;
  } catch (cause) {
    throw cannotLoadNow(BINDING, cause);
  }
  throw cannotLoadNow(BINDING);
}

/** What aborts print is in the error as well. */
const SILENT = { print: () => {}, printErr: () => {} };

function pickBinding(module: object): ZstdBinding {
  const binding = module as ZstdBinding;
  const { VectorU8, ZstdCodec, cloneToVector, toTypedArrayView } = binding;
  const { ZstdDecompressStreamBinding } = binding;
  return { VectorU8, ZstdCodec, cloneToVector, toTypedArrayView, ZstdDecompressStreamBinding };
}

function embeddedBase64(source: string): string {
  // AGFzb is how base64 of WebAssembly begins.
  const start = source.indexOf('base64,AGFzb') + 'base64,'.length;
  return source.slice(start, source.indexOf('"', start));
}
