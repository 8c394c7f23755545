/** The bitmaps before the extents, which say what sectors have been written; bounded in memory. */
import { nextClearBit, nextSetBit, testBitmapBit } from '@diskfile/bytes';
import { readInto, type Step, type Storage } from '@diskfile/core';

/** Of the objects around a bitmap in memory. */
const OVERHEAD_BYTES = 256;

export class ExtentBitmaps {
  readonly #storage: Storage;
  readonly #bitmapBytes: number;
  readonly #capacity: number;
  /** By extent, least recently loaded first. */
  readonly #bitmaps = new Map<number, Uint8Array>();

  constructor(storage: Storage, bitmapBytes: number, cacheBytes: number) {
    this.#storage = storage;
    this.#bitmapBytes = bitmapBytes;
    this.#capacity = Math.max(1, Math.floor(cacheBytes / (bitmapBytes + OVERHEAD_BYTES)));
  }

  has(extentIndex: number): boolean {
    return this.#bitmaps.has(extentIndex);
  }

  /** Whether a sector has been written; the bitmap is in memory. */
  isWritten(extentIndex: number, sector: number): boolean {
    return testBitmapBit(this.#bitmaps.get(extentIndex)!, sector);
  }

  /** First sector from `sector` on whose answer differs, at most `limit`. */
  endOfRun(extentIndex: number, sector: number, limit: number): number {
    const bitmap = this.#bitmaps.get(extentIndex)!;
    const next = testBitmapBit(bitmap, sector) ? nextClearBit : nextSetBit;
    return next(bitmap, sector, limit);
  }

  *load(extentIndex: number, hostOffset: number): Step<void> {
    if (this.#bitmaps.has(extentIndex)) return;
    const bitmap = yield* readInto(this.#storage, new Uint8Array(this.#bitmapBytes), hostOffset);
    for (const oldest of this.#bitmaps.keys()) {
      if (this.#bitmaps.size < this.#capacity) break;
      this.#bitmaps.delete(oldest);
    }
    this.#bitmaps.set(extentIndex, bitmap);
  }
}
