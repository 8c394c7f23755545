/** The block allocation table (specification, "Block Allocation Table and Data Blocks"). */
import { DiskError } from '@diskfile/bytes';
import {
  AppendSpace,
  BLOCK,
  type BlockTable,
  flushStorage,
  type Limits,
  type Step,
  type Storage,
  TablePages,
  truncateStorage,
  type WritableBlockTable,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import type { DynamicHeader } from './dynamic-header.ts';
import { corrupt } from './footer.ts';
import { SECTOR_BYTES, UNUSED_ENTRY } from './structs.ts';

const ENTRY_BYTES = 4;
/** Bytes of changed table pages at which they are written early. */
const MAX_DIRTY_BYTES = 8 * 1024 * 1024;

/** A block that is not there would read as zeros, and be lost for good once the file grows. */
export function blockCut(hostOffset: number, fileEnd: number): DiskError {
  return corrupt(
    'vhd.block-cut',
    `The file ends at ${fileEnd}, before the end of the block at ${hostOffset}: it has been cut off`,
    hostOffset,
  );
}

export class VhdBlockTable implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly header: DynamicHeader;
  protected readonly pages: TablePages;
  /** No block goes on behind it. */
  readonly #fileEnd: number;

  /** @param fileEnd where the file ends; infinite for one that is written and grows */
  constructor(storage: Storage, header: DynamicHeader, limits: Limits, fileEnd: number) {
    this.#fileEnd = fileEnd;
    this.storage = storage;
    this.header = header;
    this.blockBytes = header.blockBytes;
    const place = {
      hostOffset: header.tableOffset,
      lengthBytes: header.tableEntries * ENTRY_BYTES,
    };
    this.pages = new TablePages(storage, place, limits.metadataCacheBytes);
  }

  find(blockIndex: number): number {
    const at = blockIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) return BLOCK.unknown;
    const entry = page.view.getUint32(this.pages.offsetInPage(at));
    if (entry === UNUSED_ENTRY) return BLOCK.none;
    const hostOffset = entry * SECTOR_BYTES + this.header.bitmapBytes;
    if (hostOffset + this.blockBytes > this.#fileEnd) throw blockCut(hostOffset, this.#fileEnd);
    return hostOffset;
  }

  *load(blockIndex: number): Step<void> {
    yield* this.pages.load(blockIndex * ENTRY_BYTES);
  }
}

/**
 * The table of an image that is written. Each new block takes the place of the footer, which moves
 * behind it with the next flush; until then the copy at the start of the file stands in.
 */
export class WritableVhdBlockTable extends VhdBlockTable implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation = 1;
  readonly #space: AppendSpace;
  readonly #footer: Uint8Array;
  /** What the sectors of a new block are marked as: all there, or none yet. */
  readonly #newBitmap: Uint8Array | undefined;
  /** Where the file has its footer; undefined while it has none. */
  #footerOffset: number | undefined;

  /**
   * @param usedEnd behind all blocks and tables
   * @param marksSectors whether every sector of a new block counts as written
   */
  constructor(
    storage: WritableStorage,
    header: DynamicHeader,
    limits: Limits,
    { footer, usedEnd, marksSectors }: VhdWritingOptions,
  ) {
    super(storage, header, limits, Infinity);
    this.#space = new AppendSpace(storage, usedEnd, SECTOR_BYTES);
    this.#footer = footer;
    this.#newBitmap = marksSectors ? new Uint8Array(header.bitmapBytes).fill(0xff) : undefined;
  }

  *reserve(): Step<number> {
    const { bitmapBytes } = this.header;
    if (this.pages.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    // The footer is cut off.
    this.#footerOffset = undefined;
    yield* this.#space.cutFile();
    const start = this.#space.reserve(bitmapBytes + this.blockBytes);
    if (this.#newBitmap === undefined) return start + bitmapBytes;
    try {
      yield* writeBytes(this.storage, this.#newBitmap, start);
    } catch (error) {
      yield* this.unreserve(start + bitmapBytes);
      throw error;
    }
    return start + bitmapBytes;
  }

  *unreserve(hostOffset: number): Step<void> {
    const { bitmapBytes } = this.header;
    yield* this.#space.unreserve(hostOffset - bitmapBytes, bitmapBytes + this.blockBytes);
  }

  link(blockIndex: number, hostOffset: number): void {
    const at = blockIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) throw new Error('assertion failed: linking in a page that is gone');
    const inPage = this.pages.offsetInPage(at);
    page.view.setUint32(inPage, (hostOffset - this.header.bitmapBytes) / SECTOR_BYTES);
    this.pages.markDirty(page, inPage, inPage + ENTRY_BYTES);
  }

  *flush(): Step<void> {
    yield* this.flushData();
    yield* this.flushTable();
  }

  /** Makes the data of blocks durable, and the footer behind them. */
  *flushData(): Step<void> {
    const { end } = this.#space;
    if (this.#footerOffset !== end) yield* writeBytes(this.storage, this.#footer, end);
    // What a crash has left would hide the footer from whoever looks for it at the end.
    const fileBytes = end + this.#footer.length;
    if (this.storage.sizeBytes > fileBytes) yield* this.#cut(fileBytes);
    yield* flushStorage(this.storage);
    this.#footerOffset = end;
  }

  /** On a device, which keeps its size, the copy at the start is what readers find. */
  *#cut(fileBytes: number): Step<void> {
    try {
      yield* truncateStorage(this.storage, fileBytes);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'unsupported') throw error;
    }
  }

  *flushTable(): Step<void> {
    if (!this.pages.isDirty) return;
    yield* this.pages.write(this.storage);
    yield* flushStorage(this.storage);
    this.pages.markClean();
  }

  *close(): Step<void> {}
}

export interface VhdWritingOptions {
  /** As it stands at the end of the file. */
  readonly footer: Uint8Array;
  readonly usedEnd: number;
  readonly marksSectors: boolean;
}
