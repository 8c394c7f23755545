/**
 * Raw deflate (RFC 1951) for compressed clusters, with the settings that QEMU has.
 *
 * No match reaches further back than 4 KiB, as QEMU has it. Readers that inflate a cluster piece by
 * piece into a window of that size refuse all others; QEMU itself, which has the whole cluster at
 * hand, does not. That is why `pako` and not `fflate` is the portable half, although it takes twice
 * the time: the window of `fflate` is always 32 KiB.
 */
import type { Encoder } from '@diskfile/core';
import { NativeEncoder } from './native-encoder.ts';
import type { NodeZlib, Pako } from './platform.ts';

/** What QEMU uses; level 9 takes half as long again and saves less than half a percent. */
export const DEFAULT_DEFLATE_LEVEL = 6;
const WINDOW_BITS = 12;
const MEM_LEVEL = 9;
/** zlib's flush mode that ends a stream. */
const Z_FINISH = 4;
const SMALL_BYTES = 4096;

/** Thrown to leave pako; never seen outside. */
const OUTPUT_FULL = new Error('the output is full');

export function nativeDeflate(zlib: NodeZlib, level: number, reuse?: boolean): Encoder {
  const settings = { windowBits: WINDOW_BITS, memLevel: MEM_LEVEL, level };
  return new NativeEncoder(
    {
      id: 'deflate-raw',
      smallBytes: SMALL_BYTES,
      smallBytesOnce: SMALL_BYTES,
      endMode: Z_FINISH,
      resets: true,
      createStream: () => zlib.createDeflateRaw(settings),
      encodeSync: (src, options) => zlib.deflateRawSync(src, { ...options, ...settings }),
      encode: (src, options, done) => zlib.deflateRaw(src, { ...options, ...settings }, done),
    },
    reuse,
  );
}

export class PortableDeflate implements Encoder {
  readonly id = 'deflate-raw';
  readonly #pako: Pako;
  readonly #level: number;

  constructor(pako: Pako, level: number) {
    this.#pako = pako;
    this.#level = level;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const deflate = new this.#pako.Deflate({
      raw: true,
      windowBits: WINDOW_BITS,
      memLevel: MEM_LEVEL,
      level: this.#level as 6,
      chunkSize: dst.length,
    });
    let lengthBytes: number | undefined;
    // Called with the first chunk when it is full, else at the end. Throwing is the way to stop.
    deflate.onData = (chunk) => {
      if (chunk.length === dst.length) throw OUTPUT_FULL;
      dst.set(chunk);
      lengthBytes = chunk.length;
    };
    try {
      deflate.push(src, Z_FINISH);
    } catch (error) {
      if (error !== OUTPUT_FULL) throw error;
    }
    return lengthBytes;
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    return this.encodeSync(src, dst);
  }
}
