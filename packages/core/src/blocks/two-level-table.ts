/**
 * Block tables of two levels with entries of 64 bits: the L1 table names L2 tables, which name the
 * clusters of the disk. Both are held in pages, so that memory is bounded whatever their size.
 */
import { joinU64 } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import { dataOf, type Storage } from '../storage.ts';
import { BLOCK, type BlockTable } from './block-table.ts';
import { type TablePage, TablePages, type TablePlace } from './table-pages.ts';

export const ENTRY_BYTES = 8;

/** What a format's entries mean. The halves of an entry are 32 bits each. */
export interface TableEntries {
  readonly littleEndian: boolean;
  /**
   * Host offset of the cluster that an L2 entry names, or a value of {@link BLOCK}.
   * @param entryOffset of the entry in the file
   * @throws DiskError `corrupt` for one that names a place where no cluster can be
   */
  cluster(high: number, low: number, entryOffset: number): number;
  /**
   * Host offset of the L2 table that an entry of the L1 table names. Not asked for entries of zero.
   * @throws DiskError `corrupt` for one that names a place where no table can be
   */
  table(high: number, low: number, entryOffset: number): number;
}

export interface TwoLevelLayout {
  readonly clusterBytes: number;
  readonly l1: TablePlace;
  /** A power of two. */
  readonly l2TableBytes: number;
  readonly cacheBytes: number;
}

export class TwoLevelTable implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly clustersPerTable: number;
  protected readonly layout: TwoLevelLayout;
  protected readonly entries: TableEntries;
  protected readonly l1: TablePages;
  /** All L2 tables as if they followed one another. */
  protected readonly l2: TablePages;

  constructor(storage: Storage, layout: TwoLevelLayout, entries: TableEntries) {
    const { l1, l2TableBytes, cacheBytes } = layout;
    this.blockBytes = layout.clusterBytes;
    this.storage = dataOf(storage);
    this.clustersPerTable = l2TableBytes / ENTRY_BYTES;
    this.layout = layout;
    this.entries = entries;
    this.l1 = new TablePages(storage, l1, cacheBytes / 2);
    const all = { hostOffset: 0, lengthBytes: Infinity };
    this.l2 = new TablePages(storage, all, cacheBytes / 2, l2TableBytes);
  }

  find(clusterIndex: number): number {
    const page = this.l2.find(clusterIndex * ENTRY_BYTES);
    if (page === undefined) {
      return this.tableOffset(clusterIndex) === 0 ? BLOCK.none : BLOCK.unknown;
    }
    const at = this.l2.offsetInPage(clusterIndex * ENTRY_BYTES);
    return this.entries.cluster(
      this.#highHalf(page, at),
      this.#lowHalf(page, at),
      page.hostOffset + at,
    );
  }

  /** The halves of a cluster's entry, which is in memory. */
  entryOf(clusterIndex: number): { readonly high: number; readonly low: number } {
    const page = this.l2.find(clusterIndex * ENTRY_BYTES);
    if (page === undefined) throw new Error('assertion failed: an entry that is not in memory');
    const at = this.l2.offsetInPage(clusterIndex * ENTRY_BYTES);
    return { high: this.#highHalf(page, at), low: this.#lowHalf(page, at) };
  }

  #highHalf({ view }: TablePage, at: number): number {
    return this.entries.littleEndian ? view.getUint32(at + 4, true) : view.getUint32(at);
  }

  #lowHalf({ view }: TablePage, at: number): number {
    return this.entries.littleEndian ? view.getUint32(at, true) : view.getUint32(at + 4);
  }

  /**
   * Where the L2 table of a cluster lies; 0 where there is none, and {@link BLOCK.unknown} while
   * that part of the L1 table is not in memory.
   */
  protected tableOffset(clusterIndex: number): number {
    const entryAt = Math.floor(clusterIndex / this.clustersPerTable) * ENTRY_BYTES;
    if (entryAt >= this.layout.l1.lengthBytes) return 0;
    const page = this.l1.find(entryAt);
    if (page === undefined) return BLOCK.unknown;
    const at = this.l1.offsetInPage(entryAt);
    const high = this.#highHalf(page, at);
    const low = this.#lowHalf(page, at);
    return high === 0 && low === 0 ? 0 : this.entries.table(high, low, page.hostOffset + at);
  }

  /**
   * The first cluster from `clusterIndex` on, and not beyond `end`, that may be somewhere: before it
   * there are no L2 tables.
   */
  nextHeld(clusterIndex: number, end: number): number {
    let index = clusterIndex;
    while (index < end && this.tableOffset(index) === 0) {
      index += this.clustersPerTable - (index % this.clustersPerTable);
    }
    return Math.min(index, end);
  }

  *load(clusterIndex: number): Step<void> {
    const entryAt = Math.floor(clusterIndex / this.clustersPerTable) * ENTRY_BYTES;
    if (entryAt >= this.layout.l1.lengthBytes) return;
    yield* this.l1.load(entryAt);
    const table = this.tableOffset(clusterIndex);
    if (table === 0) return;
    const at = clusterIndex * ENTRY_BYTES;
    yield* this.l2.load(at, this.#pageOffset(table, clusterIndex));
  }

  /** Where the page of a table lies that holds the entry of a cluster. */
  #pageOffset(table: number, clusterIndex: number): number {
    const inTable = (clusterIndex % this.clustersPerTable) * ENTRY_BYTES;
    return table + inTable - this.l2.offsetInPage(clusterIndex * ENTRY_BYTES);
  }

  /** The page that holds the entry of a cluster whose table has just been placed at `table`. */
  protected newPage(table: number, clusterIndex: number): TablePage {
    return this.l2.add(clusterIndex * ENTRY_BYTES, this.#pageOffset(table, clusterIndex));
  }
}

/** Joins the halves of an entry that is an offset. */
export function joinEntry(high: number, low: number): number {
  return joinU64(high, low, 'A table entry');
}
