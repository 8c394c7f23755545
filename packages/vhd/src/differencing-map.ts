/** The map of a differencing disk: sectors of its own, and the parent's everywhere else. */
import { alignUp } from '@diskfile/bytes';
import { BLOCK, type Extent, type Step } from '@diskfile/core';
import type { VhdBlockTable } from './block-table.ts';
import { sectorOf, type SectorBitmaps } from './sector-bitmaps.ts';
import { SECTOR_BYTES } from './structs.ts';

export class DifferencingMap {
  readonly #table: VhdBlockTable;
  readonly #bitmaps: SectorBitmaps;

  constructor(table: VhdBlockTable, bitmaps: SectorBitmaps) {
    this.#table = table;
    this.#bitmaps = bitmaps;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { blockBytes, storage } = this.#table;
    const blockIndex = Math.floor(guestOffset / blockBytes);
    const hostOffset = this.#table.find(blockIndex);
    if (hostOffset === BLOCK.unknown) return false;
    const inBlock = guestOffset % blockBytes;
    const reached = Math.min(lengthBytes, blockBytes - inBlock);
    if (hostOffset < 0) {
      extent.setBacking(reached);
      return true;
    }
    if (!this.#bitmaps.has(blockIndex)) return false;
    const sector = sectorOf(guestOffset, blockBytes);
    const limit = alignUp(inBlock + reached, SECTOR_BYTES) / SECTOR_BYTES;
    const end = this.#bitmaps.endOfRun(blockIndex, sector, limit);
    const length = Math.min(reached, end * SECTOR_BYTES - inBlock);
    if (this.#bitmaps.isOwn(blockIndex, sector)) {
      extent.setData(storage, hostOffset + inBlock, length);
    } else extent.setBacking(length);
    return true;
  }

  *load(guestOffset: number): Step<void> {
    const blockIndex = Math.floor(guestOffset / this.#table.blockBytes);
    yield* this.#table.load(blockIndex);
    const hostOffset = this.#table.find(blockIndex);
    if (hostOffset < 0) return;
    yield* this.#bitmaps.load(blockIndex, hostOffset - this.#table.header.bitmapBytes);
    // While that took its time, other operations may have pushed the table's page out.
    yield* this.#table.load(blockIndex);
  }
}
