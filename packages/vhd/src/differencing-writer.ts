/** Writing a differencing disk, sector by sector: what is written becomes its own. */
import { alignDown, alignUp } from '@diskfile/bytes';
import {
  type Allocation,
  type Extent,
  flushStorage,
  type ImageWriter,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import type { WritableVhdBlockTable } from './block-table.ts';
import type { DifferencingMap } from './differencing-map.ts';
import { sectorOf, type SectorBitmaps } from './sector-bitmaps.ts';
import { SECTOR_BYTES } from './structs.ts';

/** Bytes of changed bitmaps at which they are written early. */
const MAX_DIRTY_BYTES = 8 * 1024 * 1024;

export class DifferencingWriter implements ImageWriter {
  readonly unitBytes = SECTOR_BYTES;
  readonly #table: WritableVhdBlockTable;
  readonly #bitmaps: SectorBitmaps;
  readonly #map: DifferencingMap;

  constructor(table: WritableVhdBlockTable, bitmaps: SectorBitmaps, map: DifferencingMap) {
    this.#table = table;
    this.#bitmaps = bitmaps;
    this.#map = map;
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return this.#map.lookup(guestOffset, lengthBytes, extent);
  }

  *allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    if (this.#bitmaps.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    yield* this.#map.load(guestOffset);
    const table = this.#table;
    const { blockBytes } = table;
    const blockIndex = Math.floor(guestOffset / blockBytes);
    const found = table.find(blockIndex);
    const isNew = found < 0;
    const hostOffset = isNew ? yield* table.reserve() : found;
    const inBlock = alignDown(guestOffset % blockBytes, SECTOR_BYTES);
    const wanted = alignUp((guestOffset % blockBytes) + lengthBytes, SECTOR_BYTES);
    const limit = Math.min(wanted, blockBytes) / SECTOR_BYTES;
    const start = sectorOf(guestOffset, blockBytes);
    const end = isNew ? limit : this.#bitmaps.endOfRun(blockIndex, start, limit);
    return new OwnSectors(table, this.#bitmaps, {
      blockIndex,
      blockHostOffset: hostOffset,
      isNew,
      inBlock,
      lengthBytes: end * SECTOR_BYTES - inBlock,
    });
  }

  /** Zeros are bytes here: the engine writes them. */
  *writeZeroes(): Step<number> {
    return 0;
  }

  /** What the disk gives up would be the parent's again, and that was never asked for. */
  *discard(): Step<void> {}

  /** What is named has to be durable before what names it. */
  *flush(): Step<void> {
    const { storage } = this.#table;
    yield* this.#table.flushData();
    if (this.#bitmaps.dirtyBytes > 0) {
      yield* this.#bitmaps.write(storage);
      yield* flushStorage(storage);
      this.#bitmaps.markClean();
    }
    yield* this.#table.flushTable();
  }

  reclaim(): void {}

  *close(): Step<void> {}
}

interface SectorRun {
  readonly blockIndex: number;
  /** Where the data of the block begins. */
  readonly blockHostOffset: number;
  /** Whether the table does not name the block yet. */
  readonly isNew: boolean;
  readonly inBlock: number;
  readonly lengthBytes: number;
}

class OwnSectors implements Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly readsAsZero: boolean;
  readonly #table: WritableVhdBlockTable;
  readonly #bitmaps: SectorBitmaps;
  readonly #run: SectorRun;

  constructor(table: WritableVhdBlockTable, bitmaps: SectorBitmaps, run: SectorRun) {
    this.storage = table.storage;
    this.hostOffset = run.blockHostOffset + run.inBlock;
    this.guestOffset = run.blockIndex * table.blockBytes + run.inBlock;
    this.lengthBytes = run.lengthBytes;
    this.readsAsZero = run.isNew;
    this.#table = table;
    this.#bitmaps = bitmaps;
    this.#run = run;
  }

  *commit(): Step<void> {
    const { blockIndex, blockHostOffset, isNew, inBlock, lengthBytes } = this.#run;
    const blockOffset = blockHostOffset - this.#table.header.bitmapBytes;
    yield* this.#table.load(blockIndex);
    if (isNew) {
      this.#bitmaps.create(blockIndex, blockOffset);
      this.#table.link(blockIndex, blockHostOffset);
    } else yield* this.#bitmaps.load(blockIndex, blockOffset);
    const start = inBlock / SECTOR_BYTES;
    this.#bitmaps.setOwn(blockIndex, start, start + lengthBytes / SECTOR_BYTES);
  }

  *cancel(): Step<void> {
    if (this.#run.isNew) yield* this.#table.unreserve(this.#run.blockHostOffset);
  }
}
