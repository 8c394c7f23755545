import type { ByteSource } from '@diskfile/core';

/** A disk of any size that is zero but for a few pieces. */
export class SparseSource implements ByteSource {
  readonly name = 'sparse';
  readonly synchronous = true;
  readonly sizeBytes: number;
  readonly #pieces: readonly { readonly offset: number; readonly bytes: Uint8Array }[];

  constructor(sizeBytes: number, pieces: { offset: number; bytes: Uint8Array }[]) {
    this.sizeBytes = sizeBytes;
    this.#pieces = pieces;
  }

  readSync(dst: Uint8Array, offset: number): void {
    if (offset + dst.length > this.sizeBytes) throw new RangeError('read beyond the disk');
    dst.fill(0);
    for (const piece of this.#pieces) {
      const from = Math.max(offset, piece.offset);
      const to = Math.min(offset + dst.length, piece.offset + piece.bytes.length);
      if (from >= to) continue;
      dst.set(piece.bytes.subarray(from - piece.offset, to - piece.offset), from - offset);
    }
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    this.readSync(dst, offset);
  }
}
