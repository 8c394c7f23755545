/** Encoding by `node:zlib`: what deflate and zstd have in common there. */
import type { Encoder } from '@diskfile/core';
import { Lanes } from './lanes.ts';
import type { ZlibOptions } from './platform.ts';
import { canReuseZlib, ReusedZlib } from './reused-zlib.ts';

/** The four threads of the pool are kept busy while results are taken and given. */
const LANES = 6;
/** Shortest first buffer that `node:zlib` accepts. */
const MIN_CHUNK_BYTES = 64;
const ANY_HEADERS_BYTES = 1024;

/** One codec of `node:zlib` with its settings. */
export interface NativeCodec {
  readonly id: string;
  /** Up to here, encoding takes less time than the way to another thread and back. */
  readonly smallBytes: number;
  /** The same where that way includes a new stream. */
  readonly smallBytesOnce: number;
  /** The flush mode that ends a stream. */
  readonly endMode: number;
  createStream(): unknown;
  encodeSync(src: Uint8Array, options: ZlibOptions): Uint8Array;
  encode(
    src: Uint8Array,
    options: ZlibOptions,
    done: (failure: Error | null, encoded: Uint8Array) => void,
  ): void;
}

export class NativeEncoder implements Encoder {
  readonly id: string;
  readonly #codec: NativeCodec;
  readonly #reused: ReusedZlib | undefined;
  readonly #lanes: Lanes<ReusedZlib | undefined>;

  constructor(codec: NativeCodec, reuse = canReuseZlib()) {
    const open = () =>
      reuse ? new ReusedZlib(() => codec.createStream(), codec.endMode) : undefined;
    this.id = codec.id;
    this.#codec = codec;
    this.#reused = open();
    this.#lanes = new Lanes(Array.from({ length: LANES }, open));
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const lengthBytes = this.#reused?.run(src, dst);
    if (lengthBytes !== undefined) return shorter(lengthBytes, dst);
    return deliver(this.#codec.encodeSync(src, room(src, dst)), dst);
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    const { smallBytes, smallBytesOnce } = this.#codec;
    const small = this.#reused === undefined ? smallBytesOnce : smallBytes;
    if (src.length <= small) return this.encodeSync(src, dst);
    return await this.#lanes.run((lane) => this.#encodeAside(lane, src, dst));
  }

  async #encodeAside(
    lane: ReusedZlib | undefined,
    src: Uint8Array,
    dst: Uint8Array,
  ): Promise<number | undefined> {
    const lengthBytes = await lane?.runAside(src, dst);
    if (lengthBytes !== undefined) return shorter(lengthBytes, dst);
    return deliver(await this.#encodeOnce(src, room(src, dst)), dst);
  }

  #encodeOnce(src: Uint8Array, options: ZlibOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#codec.encode(src, options, (failure, encoded) => {
        if (failure === null) resolve(encoded);
        else reject(failure);
      });
    });
  }
}

/** Output that fills all of its room may not be at its end. */
function shorter(lengthBytes: number, dst: Uint8Array): number | undefined {
  return lengthBytes < dst.length ? lengthBytes : undefined;
}

/** One buffer for all that can be used, and a bound that no codec comes near to. */
function room(src: Uint8Array, dst: Uint8Array): ZlibOptions {
  return {
    chunkSize: dst.length + MIN_CHUNK_BYTES,
    maxOutputLength: src.length * 2 + ANY_HEADERS_BYTES,
  };
}

function deliver(encoded: Uint8Array, dst: Uint8Array): number | undefined {
  if (encoded.length >= dst.length) return undefined;
  dst.set(encoded);
  return encoded.length;
}
