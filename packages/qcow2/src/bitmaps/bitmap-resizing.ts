/** Bitmaps follow the disk to another size; what is added to it is clean. */
import { powerOfTwo } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { SizeFollower } from '../resize/resizer.ts';
import { isPossible } from './bitmap-geometry.ts';
import type { HeaderChange } from './bitmap-store.ts';
import { checkUsable, type LiveBitmap, withTable } from './live-bitmap.ts';
import type { LiveBitmaps } from './live-bitmaps.ts';
import type { NewClusters } from './new-clusters.ts';
import { bitmapImpossible, bitmapTooLarge } from './refusals.ts';

export class BitmapResizing implements SizeFollower {
  readonly #bitmaps: LiveBitmaps;

  constructor(bitmaps: LiveBitmaps) {
    this.#bitmaps = bitmaps;
  }

  /** @throws DiskError where a bitmap says nothing, so that nothing can follow from it, or `limit` */
  beforeResize(sizeBytes: number): void {
    for (const bitmap of this.#bitmaps.all) {
      const { entry, bits } = bitmap;
      checkUsable(bitmap);
      if (!isPossible(sizeBytes, entry.granularityBits)) {
        throw bitmapImpossible(entry.name, powerOfTwo(entry.granularityBits));
      }
      if (bits !== undefined && !bits.reserve(sizeBytes)) throw bitmapTooLarge(entry.name);
    }
  }

  /**
   * A bitmap that is in the file alone has to have the length that goes with the disk at every
   * moment, so that its new table takes effect together with the new size.
   */
  *resize(sizeBytes: number, change: HeaderChange): Step<void> {
    const bitmaps = this.#bitmaps;
    const { all, metadata } = bitmaps;
    // QEMU leaves tables in the file as they are whose content is in memory, and marked as in use.
    if (all.every(({ bits }) => metadata.asQemu && bits !== undefined)) {
      yield* metadata.headerWriter.update(change);
      for (const { bits } of all) bits!.resize(sizeBytes);
      return;
    }
    const resized = (bitmap: LiveBitmap, clusters: NewClusters) =>
      this.#resized(bitmap, sizeBytes, clusters);
    yield* bitmaps.change(function* (clusters) {
      const next: LiveBitmap[] = [];
      for (const bitmap of all) next.push(yield* resized(bitmap, clusters));
      return next;
    }, change);
    for (const { bits } of bitmaps.all) bits?.resize(sizeBytes);
  }

  *#resized(bitmap: LiveBitmap, sizeBytes: number, clusters: NewClusters): Step<LiveBitmap> {
    if (bitmap.bits !== undefined) return bitmap;
    const bits = yield* this.#bitmaps.readBits(bitmap);
    try {
      if (!bits.reserve(sizeBytes)) throw bitmapTooLarge(bitmap.entry.name);
      bits.resize(sizeBytes);
      return withTable(bitmap, yield* this.#bitmaps.store.writeContent(bits, clusters));
    } finally {
      bits.dispose();
    }
  }
}
