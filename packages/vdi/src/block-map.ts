/** The block map of a VDI image: where each block of the disk lies in the file. */
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
import { ALLOCATED_AT, corrupt, type VdiHeader } from './header.ts';
import { BLOCK_FREE, BLOCK_ZERO } from './structs.ts';

const ENTRY_BYTES = 4;

export class BlockMap implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  protected readonly header: VdiHeader;
  protected readonly pages: TablePages;

  constructor(storage: Storage, header: VdiHeader, limits: Limits) {
    this.storage = storage;
    this.header = header;
    this.blockBytes = header.blockBytes;
    const place = { hostOffset: header.mapOffset, lengthBytes: header.blockCount * ENTRY_BYTES };
    this.pages = new TablePages(storage, place, limits.metadataCacheBytes);
  }

  find(blockIndex: number): number {
    if (blockIndex >= this.header.blockCount) return BLOCK.none;
    const at = blockIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) return BLOCK.unknown;
    const entry = page.view.getUint32(this.pages.offsetInPage(at), true);
    if (entry === BLOCK_FREE) return BLOCK.none;
    if (entry === BLOCK_ZERO) return BLOCK.zero;
    if (entry < this.header.blockCount) return this.#hostOffsetOf(entry);
    throw corrupt(
      'vdi.map-entry',
      `The map puts block ${blockIndex} at place ${entry} of ${this.header.blockCount}`,
      this.header.mapOffset + at,
    );
  }

  /** Where the data of the block at a place of the file begins. */
  #hostOffsetOf(place: number): number {
    const { dataOffset, blockExtraBytes } = this.header;
    return dataOffset + place * (blockExtraBytes + this.blockBytes) + blockExtraBytes;
  }

  *load(blockIndex: number): Step<void> {
    if (blockIndex < this.header.blockCount) yield* this.pages.load(blockIndex * ENTRY_BYTES);
  }
}

/**
 * The map of an image that is written: new blocks take the place behind all others. How many places
 * are taken is in the header, and is where other programs put their next block; so the header never
 * counts less than the map names, whenever the power goes.
 */
export class WritableBlockMap extends BlockMap implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation: number;
  readonly #space: AppendSpace;
  /** What the header in the file says. */
  #writtenCount: number;

  /** @param places that the file has up to its last block, by {@link countPlaces} */
  constructor(storage: WritableStorage, header: VdiHeader, limits: Limits, places: number) {
    super(storage, header, limits);
    this.maxReservation = header.blockExtraBytes === 0 ? Infinity : 1;
    this.#space = new AppendSpace(storage, header.dataOffset + places * this.#strideBytes, 1);
    this.#writtenCount = header.allocatedBlocks;
  }

  get #strideBytes(): number {
    return this.header.blockExtraBytes + this.blockBytes;
  }

  /** Places that are taken. */
  get #places(): number {
    return (this.#space.end - this.header.dataOffset) / this.#strideBytes;
  }

  *reserve(count: number): Step<number> {
    if (this.#places + count > this.header.blockCount) throw full();
    if (this.pages.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    yield* this.#space.cutFile();
    return this.#space.reserve(count * this.#strideBytes) + this.header.blockExtraBytes;
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    const start = hostOffset - this.header.blockExtraBytes;
    yield* this.#space.unreserve(start, count * this.#strideBytes);
  }

  link(blockIndex: number, hostOffset: number): void {
    const at = blockIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) throw new Error('assertion failed: linking in a page that is gone');
    const inPage = this.pages.offsetInPage(at);
    const place = Math.floor((hostOffset - this.header.dataOffset) / this.#strideBytes);
    page.view.setUint32(inPage, place, true);
    this.pages.markDirty(page, inPage, inPage + ENTRY_BYTES);
  }

  *flush(): Step<void> {
    yield* this.#fillLastBlock();
    const count = this.#places;
    if (count !== this.#writtenCount) yield* this.#writeCount(count);
    yield* flushStorage(this.storage);
    this.#writtenCount = count;
    if (!this.pages.isDirty) return;
    yield* this.pages.write(this.storage);
    yield* flushStorage(this.storage);
    this.pages.markClean();
  }

  *#writeCount(count: number): Step<void> {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, count, true);
    yield* writeBytes(this.storage, bytes, ALLOCATED_AT);
  }

  /** Other programs expect the file to hold every block to its end. */
  *#fillLastBlock(): Step<void> {
    const { end } = this.#space;
    if (this.storage.sizeBytes < end) yield* truncateStorage(this.storage, end);
  }

  *close(): Step<void> {}
}

/** Bytes of changed map pages at which they are written early. */
const MAX_DIRTY_BYTES = 8 * 1024 * 1024;

function full(): DiskError {
  return new DiskError('corrupt', 'vdi.full', 'The file holds more blocks than the disk has', {
    hint: 'Convert the image: its map does not name all that the file holds.',
  });
}
