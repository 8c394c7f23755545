/** libzstd behind streams: that of Node where there is one, else WebAssembly. */
import { readZstdHeader } from '@diskfile/bytes';
import type { Step, StreamCheckpoint, StreamCodec } from '@diskfile/core';
import type { NodeZlib } from './platform.ts';
import type { ZlibStream } from './reused-zlib.ts';
import { loadZstdBinding, type ZstdBinding, type ZstdStreamBinding } from './zstd-binding.ts';
import { WideWindowEngine } from './zstd-decoder/wide-window.ts';
import { brokenFrame, type ZstdEngine, ZstdStream } from './zstd-stream.ts';

/** libzstd's ZSTD_e_continue. */
const CONTINUE = 0;
/** libzstd's ZSTD_d_windowLogMax, and its default. */
const WINDOW_LOG_MAX = 100;
const MAX_WINDOW_LOG = 27;
const OUTPUT_BYTES = 256 * 1024;

class NativeEngine implements ZstdEngine {
  readonly maxWindowBytes = 2 ** MAX_WINDOW_LOG;
  readonly #stream: ZlibStream;
  readonly #output = new Uint8Array(OUTPUT_BYTES);
  #isBroken = false;

  constructor(zlib: Required<NodeZlib>) {
    const params = { [WINDOW_LOG_MAX]: MAX_WINDOW_LOG };
    this.#stream = zlib.createZstdDecompress({ params }) as ZlibStream;
    this.#stream._handle.onerror = () => {
      this.#isBroken = true;
    };
  }

  push(part: Uint8Array, emit: (bytes: Uint8Array) => void): void {
    const { _handle, _writeState } = this.#stream;
    const output = this.#output;
    let at = 0;
    do {
      const left = part.length - at;
      _handle.writeSync(CONTINUE, part, at, left, output, 0, output.length);
      if (this.#isBroken) throw brokenFrame();
      const filledBytes = output.length - _writeState[0]!;
      if (filledBytes > 0) emit(output.subarray(0, filledBytes));
      at = part.length - _writeState[1]!;
    } while (at < part.length || _writeState[0] === 0);
  }

  close(): void {
    this.#stream.close();
  }
}

/** Streams of `node:zlib`, by way of the handles that `canReuseZlib()` tells of. */
export class NativeZstdStreams implements StreamCodec {
  readonly id = 'zstd';
  readonly #zlib: Required<NodeZlib>;

  constructor(zlib: Required<NodeZlib>) {
    this.#zlib = zlib;
  }

  *start(from?: StreamCheckpoint): Step<ZstdStream> {
    refuseCheckpoint(from);
    return new ZstdStream(new NativeEngine(this.#zlib));
  }
}

function refuseCheckpoint(from: StreamCheckpoint | undefined): void {
  if (from !== undefined) throw new Error('assertion failed: zstd has no checkpoints');
}

/** The WebAssembly memory cannot grow, and this is how much of it a window can have. */
const WASM_WINDOW_BYTES = 8 * 1024 * 1024;
/** Instances that are kept for the next stream; each takes 16 MiB. */
const IDLE_INSTANCES = 2;

class PortableEngine implements ZstdEngine {
  readonly maxWindowBytes = WASM_WINDOW_BYTES;
  readonly #stream: ZstdStreamBinding;
  readonly #done: () => void;

  constructor(binding: ZstdBinding, done: (isSound: boolean) => void) {
    this.#stream = new binding.ZstdDecompressStreamBinding();
    this.#done = () => done(this.#isSound);
    if (!this.#stream.begin()) throw brokenFrame();
  }

  /** False once the instance has been left in the middle of something. */
  #isSound = true;
  #isClosed = false;

  push(part: Uint8Array, emit: (bytes: Uint8Array) => void): void {
    let isAccepted: boolean;
    try {
      isAccepted = this.#stream.transform(part, emit);
    } catch (cause) {
      // WebAssembly that traps throws an error of its own kind, and Emscripten plain text.
      this.#isSound = false;
      throw brokenFrame(cause);
    }
    if (!isAccepted) throw brokenFrame();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isSound) this.#stream.delete();
    this.#done();
  }
}

/** libzstd where its memory holds the window, else the decoder of our own. */
class RoomyEngine implements ZstdEngine {
  readonly maxWindowBytes = 2 ** MAX_WINDOW_LOG;
  readonly #binding: ZstdBinding;
  readonly #done: (isSound: boolean) => void;
  #engine: ZstdEngine | undefined;
  #isClosed = false;

  constructor(binding: ZstdBinding, done: (isSound: boolean) => void) {
    this.#binding = binding;
    this.#done = done;
  }

  push(part: Uint8Array, emit: (bytes: Uint8Array) => void): void {
    this.#engine ??= this.#engineFor(part);
    this.#engine.push(part, emit);
  }

  /** The first part is the header. */
  #engineFor(header: Uint8Array): ZstdEngine {
    if (readZstdHeader(header, 0).windowBytes <= WASM_WINDOW_BYTES) {
      return new PortableEngine(this.#binding, this.#done);
    }
    this.#done(true);
    return new WideWindowEngine(this.maxWindowBytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#engine === undefined) this.#done(true);
    else this.#engine.close();
  }
}

/** Each stream has a WebAssembly instance to itself: two windows do not fit into one. */
export class PortableZstdStreams implements StreamCodec {
  readonly id = 'zstd';
  readonly #idle: ZstdBinding[] = [];

  *start(from?: StreamCheckpoint): Step<ZstdStream> {
    refuseCheckpoint(from);
    const binding = this.#idle.pop() ?? (yield* loadZstdBinding());
    const engine = new RoomyEngine(binding, (isSound) => {
      if (isSound && this.#idle.length < IDLE_INSTANCES) this.#idle.push(binding);
    });
    return new ZstdStream(engine);
  }
}
