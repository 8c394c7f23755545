/**
 * Deflate for compressed units, with the settings that QEMU has for each kind: raw (RFC 1951) for
 * clusters of qcow2, and within a zlib stream (RFC 1950) for grains of VMDK.
 *
 * In the raw kind no match reaches further back than 4 KiB, as QEMU has it. Readers that inflate a cluster piece by
 * piece into a window of that size refuse all others; QEMU itself, which has the whole cluster at
 * hand, does not. That is why `pako` and not `fflate` is the portable half, although it takes twice
 * the time: the window of `fflate` is always 32 KiB.
 */
import type { Encoder } from '@diskfile/core';
import { NativeEncoder } from './native-encoder.ts';
import type { NodeZlib, Pako } from './platform.ts';

export interface DeflateKind {
  readonly id: 'deflate-raw' | 'zlib';
  readonly windowBits: number;
  readonly memLevel: number;
  readonly defaultLevel: number;
}

/**
 * QEMU has level 6 here. Within 4 KiB there is little for it to find that level 5 does not: it takes
 * a tenth longer and saves 0.2 %; level 9 takes half as long again and saves less than 0.5 %.
 */
export const DEFLATE_RAW: DeflateKind = {
  id: 'deflate-raw',
  windowBits: 12,
  memLevel: 9,
  defaultLevel: 5,
};
export const ZLIB: DeflateKind = { id: 'zlib', windowBits: 15, memLevel: 8, defaultLevel: 6 };
/** zlib's flush mode that ends a stream. */
const Z_FINISH = 4;
const SMALL_BYTES = 4096;

/** Thrown to leave pako; never seen outside. */
const OUTPUT_FULL = new Error('the output is full');

export function nativeDeflate(
  zlib: NodeZlib,
  { id, windowBits, memLevel }: DeflateKind,
  level: number,
  reuse?: boolean,
): Encoder {
  const settings = { windowBits, memLevel, level };
  const isRaw = id === 'deflate-raw';
  return new NativeEncoder(
    {
      id,
      smallBytes: SMALL_BYTES,
      smallBytesOnce: SMALL_BYTES,
      endMode: Z_FINISH,
      resets: true,
      createStream: () => (isRaw ? zlib.createDeflateRaw(settings) : zlib.createDeflate(settings)),
      encodeSync(src, options) {
        const both = { ...options, ...settings };
        return isRaw ? zlib.deflateRawSync(src, both) : zlib.deflateSync(src, both);
      },
      encode(src, options, done) {
        const both = { ...options, ...settings };
        if (isRaw) zlib.deflateRaw(src, both, done);
        else zlib.deflate(src, both, done);
      },
    },
    reuse,
  );
}

export class PortableDeflate implements Encoder {
  readonly id: string;
  readonly #pako: Pako;
  readonly #kind: DeflateKind;
  readonly #level: number;

  constructor(pako: Pako, kind: DeflateKind, level: number) {
    this.id = kind.id;
    this.#pako = pako;
    this.#kind = kind;
    this.#level = level;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const deflate = new this.#pako.Deflate({
      raw: this.#kind.id === 'deflate-raw',
      windowBits: this.#kind.windowBits as 15,
      memLevel: this.#kind.memLevel as 8,
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
