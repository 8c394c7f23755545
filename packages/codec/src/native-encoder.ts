/** Encoding by `node:zlib`: what deflate and zstd have in common there. */
import type { Encoder } from '@diskfile/core';
import { Lanes } from './lanes.ts';
import type { ZlibOptions } from './platform.ts';
import { canReuseZlib, ReusedZlib } from './reused-zlib.ts';

/** The four threads of the pool are kept busy while results are taken and given. */
const LANES = 8;
/** Shortest first buffer that `node:zlib` accepts. */
const MIN_CHUNK_BYTES = 64;
const ANY_HEADERS_BYTES = 1024;

/** One codec of `node:zlib` with its settings. */
export interface NativeCodec {
  readonly id: string;
  /** Up to here, encoding takes less time than the way to another thread and back. */
  readonly smallBytes: number;
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
  readonly #lanes = new Lanes(LANES);
  readonly #reused: ReusedZlib | undefined;

  constructor(codec: NativeCodec, reuse = canReuseZlib()) {
    this.id = codec.id;
    this.#codec = codec;
    this.#reused = reuse ? new ReusedZlib(() => codec.createStream(), codec.endMode) : undefined;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const lengthBytes = this.#reused?.run(src, dst);
    if (lengthBytes !== undefined) return lengthBytes < dst.length ? lengthBytes : undefined;
    return deliver(this.#codec.encodeSync(src, room(src, dst)), dst);
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    if (src.length <= this.#codec.smallBytes) return this.encodeSync(src, dst);
    const encoded = await this.#lanes.run(() => this.#encodeAside(src, room(src, dst)));
    return deliver(encoded, dst);
  }

  #encodeAside(src: Uint8Array, options: ZlibOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#codec.encode(src, options, (failure, encoded) => {
        if (failure === null) resolve(encoded);
        else reject(failure);
      });
    });
  }
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
