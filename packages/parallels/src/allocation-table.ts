/** The block allocation table: where each cluster of the disk lies in the file ("BAT"). */
import { alignUp, DiskError } from '@diskfile/bytes';
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
} from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { ENTRY_BYTES, HEADER_BYTES, type ParallelsHeader } from './header.ts';

/** Bytes of changed pages at which they are written early. */
const MAX_DIRTY_BYTES = 8 * 1024 * 1024;
const MAX_ENTRY = 0xffff_ffff;

export class AllocationTable implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly header: ParallelsHeader;
  protected readonly pages: TablePages;

  constructor(storage: Storage, header: ParallelsHeader, limits: Limits) {
    this.storage = storage;
    this.header = header;
    this.blockBytes = header.clusterBytes;
    const place = { hostOffset: HEADER_BYTES, lengthBytes: header.tableEntries * ENTRY_BYTES };
    this.pages = new TablePages(storage, place, limits.metadataCacheBytes);
  }

  find(clusterIndex: number): number {
    const hostOffset = this.placeOf(clusterIndex);
    if (hostOffset < 0 || this.#isPlace(hostOffset)) return hostOffset;
    throw corrupt(
      'parallels.cluster-offset',
      `The table places cluster ${clusterIndex} at ${hex(hostOffset)}, where none can be`,
      HEADER_BYTES + clusterIndex * ENTRY_BYTES,
    );
  }

  /** What the table says, wherever that is. */
  placeOf(clusterIndex: number): number {
    if (clusterIndex >= this.header.tableEntries) return BLOCK.none;
    const at = clusterIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) return BLOCK.unknown;
    const entry = page.view.getUint32(this.pages.offsetInPage(at), true);
    return entry === 0 ? BLOCK.none : entry * this.header.entryUnitBytes;
  }

  /** Not in the header or the table, and not behind the end of the file. */
  #isPlace(hostOffset: number): boolean {
    return hostOffset >= this.header.dataOffset && hostOffset < this.fileEnd();
  }

  protected fileEnd(): number {
    return this.storage.sizeBytes;
  }

  *load(clusterIndex: number): Step<void> {
    if (clusterIndex >= this.header.tableEntries) return;
    yield* this.pages.load(clusterIndex * ENTRY_BYTES);
  }
}

/** The table of an image that is written: new clusters take the place behind all others. */
export class WritableAllocationTable extends AllocationTable implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation = Infinity;
  readonly #space: AppendSpace;

  /** @param usedEnd behind all clusters; what the file has there is nobody's */
  constructor(storage: WritableStorage, header: ParallelsHeader, limits: Limits, usedEnd: number) {
    super(storage, header, limits);
    this.#space = new AppendSpace(storage, alignUp(usedEnd, header.entryUnitBytes), 1);
  }

  protected override fileEnd(): number {
    return this.#space.end;
  }

  *reserve(count: number): Step<number> {
    const lengthBytes = count * this.blockBytes;
    if (this.pages.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    if (this.#space.end + lengthBytes > MAX_ENTRY * this.header.entryUnitBytes) throw full();
    yield* this.cutFile();
    return this.#space.reserve(lengthBytes);
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    yield* this.#space.unreserve(hostOffset, count * this.blockBytes);
  }

  /** Gives back to the host what lies behind the last cluster. */
  cutFile(): Step<void> {
    return this.#space.cutFile();
  }

  link(clusterIndex: number, hostOffset: number): void {
    const at = clusterIndex * ENTRY_BYTES;
    const page = this.pages.find(at);
    if (page === undefined) throw new Error('assertion failed: linking in a page that is gone');
    const inPage = this.pages.offsetInPage(at);
    page.view.setUint32(inPage, hostOffset / this.header.entryUnitBytes, true);
    this.pages.markDirty(page, inPage, inPage + ENTRY_BYTES);
  }

  /** Data first, then the table that names it. */
  *flush(): Step<void> {
    const { storage } = this;
    const { end } = this.#space;
    if (this.pages.isDirty && storage.sizeBytes < end) yield* truncateStorage(storage, end);
    yield* flushStorage(storage);
    if (!this.pages.isDirty) return;
    yield* this.pages.write(storage);
    yield* flushStorage(storage);
    this.pages.markClean();
  }

  *close(): Step<void> {}
}

function full(): DiskError {
  return new DiskError('no-space', 'parallels.full', 'The image has reached its largest size', {
    hint: 'Convert it to an image with larger clusters.',
  });
}
