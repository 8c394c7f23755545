/** Decoders of LZ4 blocks, each for itself. */
import type { Decoder } from '@diskfile/core';
import { brokenLz4, decodeLz4Block } from './lz4-block.ts';

/** The part of the package `lz4-napi` that is used here. */
export interface NodeLz4 {
  uncompressSync(src: Uint8Array): Uint8Array;
  uncompress(src: Uint8Array): Promise<Uint8Array>;
}

export class PortableLz4 implements Decoder {
  readonly id = 'lz4';

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    requireFull(decodeLz4Block(src, dst, 0, 0), dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }
}

function requireFull(filledBytes: number, dst: Uint8Array): void {
  if (filledBytes === dst.length) return;
  throw brokenLz4(`it yields ${filledBytes} of ${dst.length} bytes`);
}

/** Before a block `lz4-napi` wants its length, which it sets aside: here it is that of `dst`. */
const PREFIX_BYTES = 4;

/** By `lz4-napi`, which is optional. What it refuses is looked at again, to say why. */
export class NativeLz4 implements Decoder {
  readonly id = 'lz4';
  readonly #lz4: NodeLz4;
  readonly #portable = new PortableLz4();

  constructor(lz4: NodeLz4) {
    this.#lz4 = lz4;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    let decoded: Uint8Array | undefined;
    try {
      decoded = this.#lz4.uncompressSync(prefixed(src, dst.length));
    } catch {
      decoded = undefined;
    }
    this.#deliver(decoded, src, dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    let decoded: Uint8Array | undefined;
    try {
      decoded = await this.#lz4.uncompress(prefixed(src, dst.length));
    } catch {
      decoded = undefined;
    }
    this.#deliver(decoded, src, dst);
  }

  #deliver(decoded: Uint8Array | undefined, src: Uint8Array, dst: Uint8Array): void {
    if (decoded?.length === dst.length) dst.set(decoded);
    else this.#portable.decodeSync(src, dst);
  }
}

function prefixed(src: Uint8Array, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + src.length);
  new DataView(bytes.buffer).setUint32(0, lengthBytes, true);
  bytes.set(src, PREFIX_BYTES);
  return bytes;
}
