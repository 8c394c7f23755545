/** How a block of its own becomes content, with or without a checksum behind it. */
import { readU32le, xxh32 } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { broken } from './frame-header.ts';

/** Bytes as they are. */
export const plainBlock: Decoder = {
  id: 'lz4-plain',
  decodeSync(src, dst) {
    dst.set(src.subarray(0, dst.length));
  },
  async decode(src, dst) {
    this.decodeSync(src, dst);
  },
};

const CHECKSUM_BYTES = 4;

/** Verifies the XXH32 of the block as it lies in the file. */
export class CheckedBlock implements Decoder {
  readonly id = 'lz4-checked';
  readonly #decoder: Decoder;

  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    this.#decoder.decodeSync(checked(src), dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    await this.#decoder.decode(checked(src), dst);
  }
}

function checked(src: Uint8Array): Uint8Array {
  const end = src.length - CHECKSUM_BYTES;
  const block = src.subarray(0, end);
  if (xxh32(block) !== readU32le(src, end)) throw broken('A block does not fit its checksum', 0);
  return block;
}
