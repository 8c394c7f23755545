/** The map of a differencing disk: blocks of its own, blocks in part its own, and the parent's. */
import { alignUp, testBitmapBit } from '@diskfile/bytes';
import { BLOCK, type Extent, type Limits, readInto, type Step } from '@diskfile/core';
import type { BlockAllocationTable } from './bat.ts';
import { corrupt } from './refusals.ts';

/** Share of the cache for tables that sector bitmaps may take as well. */
const BITMAP_SHARE = 0.5;

export class DifferencingMap {
  readonly #bat: BlockAllocationTable;
  /** Bytes of a bitmap block that tell of one payload block. */
  readonly #bitmapBytes: number;
  readonly #capacity: number;
  /** By block, least recently loaded first. */
  readonly #bitmaps = new Map<number, Uint8Array>();

  constructor(bat: BlockAllocationTable, limits: Limits) {
    this.#bat = bat;
    this.#bitmapBytes = bat.blockBytes / bat.metadata.logicalSectorBytes / 8;
    const cacheBytes = limits.metadataCacheBytes * BITMAP_SHARE;
    this.#capacity = Math.max(1, Math.floor(cacheBytes / this.#bitmapBytes));
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { blockBytes, storage, metadata } = this.#bat;
    const blockIndex = Math.floor(guestOffset / blockBytes);
    const place = this.#bat.find(blockIndex);
    if (place === BLOCK.unknown) return false;
    const inBlock = guestOffset % blockBytes;
    const reached = Math.min(lengthBytes, blockBytes - inBlock);
    if (place === BLOCK.none) extent.setBacking(reached);
    else if (place === BLOCK.zero) extent.setZero(reached);
    else if (!this.#bat.isPartial(blockIndex)) extent.setData(storage, place + inBlock, reached);
    else {
      const bitmap = this.#bitmaps.get(blockIndex);
      if (bitmap === undefined) return false;
      const { logicalSectorBytes } = metadata;
      const sector = Math.floor(inBlock / logicalSectorBytes);
      const limit = alignUp(inBlock + reached, logicalSectorBytes) / logicalSectorBytes;
      const own = testBitmapBit(bitmap, sector);
      let end = sector + 1;
      while (end < limit && testBitmapBit(bitmap, end) === own) end += 1;
      const length = Math.min(reached, end * logicalSectorBytes - inBlock);
      if (own) extent.setData(storage, place + inBlock, length);
      else extent.setBacking(length);
    }
    return true;
  }

  *load(guestOffset: number): Step<void> {
    const bat = this.#bat;
    const blockIndex = Math.floor(guestOffset / bat.blockBytes);
    yield* bat.load(blockIndex);
    if (bat.find(blockIndex) < 0 || !bat.isPartial(blockIndex)) return;
    if (!this.#bitmaps.has(blockIndex)) yield* this.#loadBitmap(blockIndex);
    // While that took its time, other operations may have pushed the table's page out.
    yield* bat.load(blockIndex);
  }

  *#loadBitmap(blockIndex: number): Step<void> {
    const bat = this.#bat;
    const offset = yield* bat.bitmapOffset(blockIndex);
    if (offset === undefined) {
      throw corrupt(
        'vhdx.no-sector-bitmap',
        `Block ${blockIndex} is there in part, and no bitmap tells in which`,
        bat.region.offset,
      );
    }
    const at = offset + (blockIndex % bat.chunkRatio) * this.#bitmapBytes;
    const bitmap = yield* readInto(bat.storage, new Uint8Array(this.#bitmapBytes), at);
    for (const index of this.#bitmaps.keys()) {
      if (this.#bitmaps.size < this.#capacity) break;
      this.#bitmaps.delete(index);
    }
    this.#bitmaps.set(blockIndex, bitmap);
  }
}
