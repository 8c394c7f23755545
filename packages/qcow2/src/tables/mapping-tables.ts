/** The two levels of tables together: what maps a guest offset, in memory or still in the file. */
import { DirtyRange, during, readInto, type Step, type Storage } from '@diskfile/core';
import { checkReach, unalignedTable } from '../errors.ts';
import type { Qcow2Header } from '../header/header.ts';
import { L1Table } from './l1-table.ts';
import { OFFSET_MASK } from './l2-entry.ts';
import { TableCache, type TableSlice } from './table-cache.ts';

/**
 * Longest part of an L2 table that is read at once: a random read that misses the cache takes a
 * third less time than with 64 KiB, and walking a whole table hardly more.
 */
const MAX_SLICE_BYTES = 16 * 1024;

const L1_ENTRY_BYTES = 8;

export interface TableGeometry {
  readonly clusterBytes: number;
  readonly l2EntryBytes: number;
  readonly l2TableBytes: number;
  /** What the host offset of an L2 table is a multiple of. */
  readonly l2TableAlignment: number;
}

/** What qcow2 versions 2 and 3 have. */
export function tableGeometry({ clusterBytes, extendedL2 }: Qcow2Header): TableGeometry {
  return {
    clusterBytes,
    l2EntryBytes: extendedL2 ? 16 : 8,
    l2TableBytes: clusterBytes,
    l2TableAlignment: clusterBytes,
  };
}

/** Takes in more entries of the L1 table as it lies in the file. */
export function* lengthenL1(storage: Storage, tables: MappingTables, entries: number): Step<void> {
  for (;;) {
    const { l1 } = tables;
    if (entries <= l1.entries) return;
    const bytes = new Uint8Array(entries * L1_ENTRY_BYTES);
    yield* readInto(storage, bytes.subarray(l1.bytes.length), l1.hostOffset + l1.bytes.length);
    if (tables.l1 !== l1) continue;
    // What is in memory may have changed since, and may not be in the file.
    bytes.set(l1.bytes);
    const longer = new L1Table(l1.hostOffset, bytes, OFFSET_MASK);
    if (!l1.dirty.isEmpty) longer.dirty.add(l1.dirty.from, l1.dirty.to, bytes.length);
    tables.replaceL1(longer);
    return;
  }
}

export class MappingTables {
  #l1: L1Table;
  readonly #storage: Storage;
  readonly #cache: TableCache;
  readonly #alignment: number;
  readonly #sliceBytes: number;
  readonly #sliceCoverage: number;
  readonly #tableCoverage: number;
  readonly #slicesPerTable: number;
  /** Counts changes of the file's tables: what was read before one may be out of date. */
  #version = 0;
  #dirtyCount = 0;

  /** @param cacheBytes L2 entries to keep in memory; one slice at the least. */
  constructor(storage: Storage, l1: L1Table, geometry: TableGeometry, cacheBytes: number) {
    const { clusterBytes, l2EntryBytes, l2TableBytes } = geometry;
    this.#storage = during(storage, 'l2_load');
    this.#l1 = l1;
    this.#alignment = geometry.l2TableAlignment;
    this.#sliceBytes = Math.min(l2TableBytes, MAX_SLICE_BYTES);
    this.#slicesPerTable = l2TableBytes / this.#sliceBytes;
    this.#sliceCoverage = (this.#sliceBytes / l2EntryBytes) * clusterBytes;
    this.#tableCoverage = this.#sliceCoverage * this.#slicesPerTable;
    this.#cache = new TableCache(Math.floor(cacheBytes / this.#sliceBytes));
  }

  get l1(): L1Table {
    return this.#l1;
  }

  /**
   * Goes on with another L1 table. Slices stay in memory where it names their L2 table as before;
   * all others are forgotten, with what of them the file does not have.
   */
  replaceL1(l1: L1Table): void {
    this.#l1 = l1;
    this.#dirtyCount -= this.#cache.drop((slice) => {
      const tableOffset = l1.l2TableOffset(Math.floor(slice.index / this.#slicesPerTable));
      return slice.hostOffset !== tableOffset + this.#offsetInTable(slice.index);
    });
    this.#version += 1;
  }

  /** Where a slice begins within its table. */
  #offsetInTable(sliceIndex: number): number {
    return (sliceIndex % this.#slicesPerTable) * this.#sliceBytes;
  }

  /** The slice that maps `guestOffset`, when it is in memory. */
  find(guestOffset: number): TableSlice | undefined {
    return (
      this.#cache.findLast(guestOffset) ??
      this.#cache.find(Math.floor(guestOffset / this.#sliceCoverage))
    );
  }

  /** How much of the range from `guestOffset` on has no L2 table at all. */
  unallocatedBytes(guestOffset: number, lengthBytes: number): number {
    const first = Math.floor(guestOffset / this.#tableCoverage);
    const limit = Math.ceil((guestOffset + lengthBytes) / this.#tableCoverage);
    const end = this.#l1.nextAllocated(first, limit) * this.#tableCoverage;
    return Math.max(0, Math.min(end - guestOffset, lengthBytes));
  }

  /** Brings in the slice that maps `guestOffset`; undefined when there is no L2 table for it. */
  *load(guestOffset: number): Step<TableSlice | undefined> {
    for (;;) {
      const present = this.find(guestOffset);
      if (present !== undefined) return present;
      const tableOffset = this.l2TableOffset(this.l1IndexOf(guestOffset));
      if (tableOffset === 0) return undefined;
      const index = Math.floor(guestOffset / this.#sliceCoverage);
      const hostOffset = tableOffset + this.#offsetInTable(index);
      const buffer = this.#cache.evictWhenFull() ?? new ArrayBuffer(this.#sliceBytes);
      const version = this.#version;
      yield* readInto(this.#storage, new Uint8Array(buffer), hostOffset);
      // A writer may have brought the slice in, changed it and written it back in the meantime.
      if (version === this.#version) return this.#add(index, hostOffset, buffer);
    }
  }

  #add(index: number, hostOffset: number, buffer: ArrayBuffer): TableSlice {
    const startGuestOffset = index * this.#sliceCoverage;
    const slice: TableSlice = {
      index,
      startGuestOffset,
      endGuestOffset: startGuestOffset + this.#sliceCoverage,
      hostOffset,
      entries: new DataView(buffer),
      dirty: new DirtyRange(),
      recentlyUsed: true,
    };
    this.#cache.add(slice);
    return this.#cache.find(index)!;
  }

  l1IndexOf(guestOffset: number): number {
    return Math.floor(guestOffset / this.#tableCoverage);
  }

  /**
   * Puts a table at `hostOffset`, as far as memory goes: a copy of the one that `l1Index` names, or
   * an empty one.
   */
  *placeTable(l1Index: number, hostOffset: number): Step<void> {
    const isNew = this.l2TableOffset(l1Index) === 0;
    const slices: TableSlice[] = [];
    for (let at = 0; at < this.#slicesPerTable; at++) {
      const index = l1Index * this.#slicesPerTable + at;
      const slice = isNew
        ? this.#add(index, hostOffset, new ArrayBuffer(this.#sliceBytes))
        : (yield* this.load(index * this.#sliceCoverage))!;
      // Dirty from here on, so that it is not dropped while the others are brought in.
      this.markDirty(slice, 0, this.#sliceBytes);
      slices.push(slice);
    }
    for (const [at, slice] of slices.entries())
      slice.hostOffset = hostOffset + at * this.#sliceBytes;
    this.#l1.set(l1Index, hostOffset);
    this.#version += 1;
  }

  /** Names no L2 table for that part of the disk any longer, and forgets the one that was there. */
  removeTable(l1Index: number): void {
    this.#l1.clear(l1Index);
    this.#dirtyCount -= this.#cache.drop(
      ({ index }) => Math.floor(index / this.#slicesPerTable) === l1Index,
    );
    this.#version += 1;
  }

  /** Bytes of slices that the file does not have yet. */
  get dirtyBytes(): number {
    return this.#dirtyCount * this.#sliceBytes;
  }

  markDirty({ dirty }: TableSlice, from: number, to: number): void {
    if (dirty.isEmpty) this.#dirtyCount += 1;
    dirty.add(from, to, this.#sliceBytes);
  }

  dirtySlices(): TableSlice[] {
    return this.#dirtyCount === 0 ? [] : this.#cache.dirtySlices();
  }

  /** The file has the slices as they are in memory. */
  markClean(slices: readonly TableSlice[]): void {
    for (const { dirty } of slices) dirty.clear();
    this.#dirtyCount -= slices.length;
    this.#version += 1;
  }

  /** Forgets what is known of L2 tables: the file has others now. */
  forgetSlices(): void {
    this.#dirtyCount -= this.#cache.drop(() => true);
    this.#version += 1;
  }

  /** Forgets all tables, and reads the upper one anew from where it lies in the image file. */
  *readAgain(storage: Storage): Step<void> {
    const { hostOffset, entries } = this.#l1;
    this.#l1 = yield* L1Table.readWhole(storage, hostOffset, entries, OFFSET_MASK);
    this.forgetSlices();
  }

  /** Host offset of an L2 table; 0 for none. @throws DiskError `corrupt` where none can be */
  l2TableOffset(l1Index: number): number {
    const offset = this.#l1.l2TableOffset(l1Index);
    const entryOffset = this.#l1.hostOffset + l1Index * 8;
    checkReach(offset, entryOffset);
    if (offset % this.#alignment === 0) return offset;
    throw unalignedTable(l1Index, offset, entryOffset);
  }
}
