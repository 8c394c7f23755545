/** The two levels of tables together: what maps a guest offset, in memory or still in the file. */
import { readInto, type Step, type Storage } from '@diskfile/core';
import { corrupt, hex, HOST_OFFSET_LIMIT } from './errors.ts';
import type { L1Table } from './l1-table.ts';
import { TableCache, type TableSlice } from './table-cache.ts';

/** Longest part of an L2 table that is read at once. */
const MAX_SLICE_BYTES = 64 * 1024;

export interface TableGeometry {
  readonly clusterBytes: number;
  readonly l2EntryBytes: number;
  readonly l2TableBytes: number;
  /** What the host offset of an L2 table is a multiple of. */
  readonly l2TableAlignment: number;
}

export class MappingTables {
  readonly #storage: Storage;
  readonly #l1: L1Table;
  readonly #cache: TableCache;
  readonly #alignment: number;
  readonly #sliceBytes: number;
  readonly #sliceCoverage: number;
  readonly #tableCoverage: number;
  readonly #slicesPerTable: number;

  /** @param cacheBytes L2 entries to keep in memory; one slice at the least. */
  constructor(storage: Storage, l1: L1Table, geometry: TableGeometry, cacheBytes: number) {
    const { clusterBytes, l2EntryBytes, l2TableBytes } = geometry;
    this.#storage = storage;
    this.#l1 = l1;
    this.#alignment = geometry.l2TableAlignment;
    this.#sliceBytes = Math.min(l2TableBytes, MAX_SLICE_BYTES);
    this.#slicesPerTable = l2TableBytes / this.#sliceBytes;
    this.#sliceCoverage = (this.#sliceBytes / l2EntryBytes) * clusterBytes;
    this.#tableCoverage = this.#sliceCoverage * this.#slicesPerTable;
    this.#cache = new TableCache(Math.floor(cacheBytes / this.#sliceBytes));
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
    const present = this.find(guestOffset);
    if (present !== undefined) return present;
    const tableOffset = this.#l2TableOffset(Math.floor(guestOffset / this.#tableCoverage));
    if (tableOffset === 0) return undefined;
    const index = Math.floor(guestOffset / this.#sliceCoverage);
    const hostOffset = tableOffset + (index % this.#slicesPerTable) * this.#sliceBytes;
    const buffer = this.#cache.evictWhenFull() ?? new ArrayBuffer(this.#sliceBytes);
    yield* readInto(this.#storage, new Uint8Array(buffer), hostOffset);
    const startGuestOffset = index * this.#sliceCoverage;
    const slice: TableSlice = {
      index,
      startGuestOffset,
      endGuestOffset: startGuestOffset + this.#sliceCoverage,
      hostOffset,
      entries: new DataView(buffer),
      recentlyUsed: true,
    };
    this.#cache.add(slice);
    return slice;
  }

  #l2TableOffset(l1Index: number): number {
    const offset = this.#l1.l2TableOffset(l1Index);
    if (offset < HOST_OFFSET_LIMIT && offset % this.#alignment === 0) return offset;
    throw corrupt(
      'qcow2.l2-table-offset',
      `L1 entry ${l1Index} places its L2 table at ${hex(offset)}, which is no place for one`,
      { offset: this.#l1.hostOffset + l1Index * 8 },
    );
  }
}
