/** Encoding by `node:zlib`: what deflate and zstd have in common there. */
import type { Encoder } from '@diskfile/core';
import { Lanes } from './lanes.ts';
import type { ZlibOptions } from './platform.ts';
import { canReuseZlib, ReusedZlib } from './reused-zlib.ts';

/** The four threads of the pool are kept busy while results are taken and given. */
const LANES = 6;
/** Shortest first buffer that `node:zlib` accepts. */
const MIN_CHUNK_BYTES = 64;

/** One codec of `node:zlib` with its settings. */
export interface NativeCodec {
  readonly id: string;
  /** Up to here, encoding takes less time than the way to another thread and back. */
  readonly smallBytes: number;
  /** The same where that way includes a new stream. */
  readonly smallBytesOnce: number;
  /** The flush mode that ends a stream. */
  readonly endMode: number;
  /** Whether a stream that has not come to its end can be used for the next unit all the same. */
  readonly resets: boolean;
  createStream(): unknown;
  encodeSync(src: Uint8Array, options: ZlibOptions): Uint8Array;
  encode(
    src: Uint8Array,
    options: ZlibOptions,
    done: (failure: Error | null, encoded: Uint8Array) => void,
  ): void;
}

/** A stream that is kept, for one unit at a time. */
class Lane {
  readonly #stream: ReusedZlib;
  readonly #alwaysEnds: boolean;
  #room = new Uint8Array(0);

  constructor(codec: NativeCodec) {
    this.#stream = new ReusedZlib(() => codec.createStream(), codec.endMode, codec.resets);
    this.#alwaysEnds = !codec.resets;
  }

  run(src: Uint8Array, dst: Uint8Array): number | undefined {
    const output = this.#outputFor(src, dst);
    return deliver(output, this.#stream.run(src, output), dst);
  }

  async runAside(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    const output = this.#outputFor(src, dst);
    return deliver(output, await this.#stream.runAside(src, output), dst);
  }

  #outputFor(src: Uint8Array, dst: Uint8Array): Uint8Array {
    if (!this.#alwaysEnds) return dst;
    const mostBytes = Math.max(dst.length, boundOf(src));
    if (this.#room.length < mostBytes) this.#room = new Uint8Array(mostBytes);
    return this.#room;
  }
}

export class NativeEncoder implements Encoder {
  readonly id: string;
  readonly #codec: NativeCodec;
  /** For the synchronous form. Undefined where streams cannot be kept. */
  readonly #lane: Lane | undefined;
  readonly #lanes: Lanes<Lane | undefined>;

  constructor(codec: NativeCodec, reuse = canReuseZlib()) {
    const open = () => (reuse ? new Lane(codec) : undefined);
    this.id = codec.id;
    this.#codec = codec;
    this.#lane = open();
    this.#lanes = new Lanes(Array.from({ length: LANES }, open));
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    if (this.#lane !== undefined) return this.#lane.run(src, dst);
    const encoded = this.#codec.encodeSync(src, optionsFor(src, dst));
    return deliver(encoded, encoded.length, dst);
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    const { smallBytes, smallBytesOnce } = this.#codec;
    const small = this.#lane === undefined ? smallBytesOnce : smallBytes;
    if (src.length <= small) return this.encodeSync(src, dst);
    return await this.#lanes.run((lane) => lane?.runAside(src, dst) ?? this.#once(src, dst));
  }

  #once(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      this.#codec.encode(src, optionsFor(src, dst), (failure, encoded) => {
        if (failure === null) resolve(deliver(encoded, encoded.length, dst));
        else reject(failure);
      });
    });
  }
}

/** @returns the length; undefined for output that fills its room, and so may not be all */
function deliver(
  output: Uint8Array,
  lengthBytes: number | undefined,
  dst: Uint8Array,
): number | undefined {
  if (lengthBytes === undefined || lengthBytes >= dst.length) return undefined;
  if (output !== dst) dst.set(output.subarray(0, lengthBytes));
  return lengthBytes;
}

/** No codec comes near to this. */
function boundOf(src: Uint8Array): number {
  return src.length + Math.ceil(src.length / 64) + 1024;
}

/** One buffer for all that can be used. */
function optionsFor(src: Uint8Array, dst: Uint8Array): ZlibOptions {
  return { chunkSize: dst.length + MIN_CHUNK_BYTES, maxOutputLength: boundOf(src) };
}
