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

/** The map of an image that is written: new blocks take the place behind all others. */
export class WritableBlockMap extends BlockMap implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation: number;
  readonly #space: AppendSpace;
  #allocatedBlocks: number;
  /** What the header in the file says. */
  #writtenCount: number;

  /** @param places blocks that the file holds, by {@link countPlaces} */
  constructor(storage: WritableStorage, header: VdiHeader, limits: Limits, places: number) {
    super(storage, header, limits);
    const stride = header.blockExtraBytes + header.blockBytes;
    this.maxReservation = header.blockExtraBytes === 0 ? Infinity : 1;
    this.#space = new AppendSpace(storage, 0, 1);
    this.#space.reserve(header.dataOffset + places * stride);
    this.#allocatedBlocks = header.allocatedBlocks;
    this.#writtenCount = header.allocatedBlocks;
  }

  *reserve(count: number): Step<number> {
    const { blockExtraBytes, dataOffset, blockCount } = this.header;
    const stride = blockExtraBytes + this.blockBytes;
    const place = (this.#space.end - dataOffset) / stride;
    if (place + count > blockCount) throw full();
    if (this.pages.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    return this.#space.reserve(count * stride) + blockExtraBytes;
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    const { blockExtraBytes } = this.header;
    const lengthBytes = count * (blockExtraBytes + this.blockBytes);
    yield* this.#space.unreserve(hostOffset - blockExtraBytes, lengthBytes);
  }

  link(blockIndex: number, hostOffset: number): void {
    const { dataOffset, blockExtraBytes } = this.header;
    const at = blockIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) throw new Error('assertion failed: linking in a page that is gone');
    const inPage = this.pages.offsetInPage(at);
    const wasThere = page.view.getUint32(inPage, true) < BLOCK_ZERO;
    const place = Math.floor((hostOffset - dataOffset) / (blockExtraBytes + this.blockBytes));
    page.view.setUint32(inPage, place, true);
    this.pages.markDirty(page, inPage, inPage + ENTRY_BYTES);
    if (!wasThere) this.#allocatedBlocks += 1;
  }

  *flush(): Step<void> {
    yield* flushStorage(this.storage);
    if (!this.pages.isDirty && this.#allocatedBlocks === this.#writtenCount) return;
    yield* this.#fillLastBlock();
    yield* this.pages.write(this.storage);
    const count = new Uint8Array(4);
    new DataView(count.buffer).setUint32(0, this.#allocatedBlocks, true);
    yield* writeBytes(this.storage, count, ALLOCATED_AT);
    yield* flushStorage(this.storage);
    this.pages.markClean();
    this.#writtenCount = this.#allocatedBlocks;
  }

  /** Other programs expect the file to hold every block to its end. */
  *#fillLastBlock(): Step<void> {
    const { end } = this.#space;
    if (this.storage.sizeBytes >= end) return;
    yield* writeBytes(this.storage, new Uint8Array(1), end - 1);
    yield* flushStorage(this.storage);
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
