/** Tables of two levels that can be changed: clusters and L2 tables only append. */
import { alignUp, DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import { during, flushStorage, truncateStorage, type WritableStorage } from '../storage.ts';
import { writeZeros } from '../zero-fill.ts';
import { AppendSpace } from './append-space.ts';
import type { WritableBlockTable } from './block-table.ts';
import type { TablePage, TablePages } from './table-pages.ts';
import {
  ENTRY_BYTES,
  type TableEntries,
  TwoLevelTable,
  type TwoLevelLayout,
} from './two-level-table.ts';

const TWO_32 = 0x1_0000_0000;
/** Bytes of changed pages at which they are written early. */
const MAX_DIRTY_BYTES = 8 * 1024 * 1024;

export interface AppendOptions {
  /** Behind all that the image uses. The file is cut there before anything is appended. */
  readonly usedEnd: number;
  /** Of clusters and tables. */
  readonly alignment: number;
  /** Whether a new L2 table lies before the first cluster that it names, and not behind. */
  readonly tableFirst: boolean;
}

export class WritableTwoLevelTable extends TwoLevelTable implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation = Infinity;
  #space: AppendSpace;
  /** There once all content has been given up. */
  #dropped: { readonly emptyEnd: number; readonly isUnread: boolean } | undefined;
  readonly #alignment: number;
  readonly #tableFirst: boolean;

  constructor(
    storage: WritableStorage,
    layout: TwoLevelLayout,
    entries: TableEntries,
    { usedEnd, alignment, tableFirst }: AppendOptions,
  ) {
    super(storage, layout, entries);
    this.#space = new AppendSpace(storage, usedEnd, 1);
    this.#alignment = alignment;
    this.#tableFirst = tableFirst;
  }

  /** Behind all clusters and tables. */
  get usedEnd(): number {
    return this.#space.end;
  }

  /**
   * Names no cluster any more. Where that fails, the file alone knows which are left.
   * @param emptyEnd behind all that the image needs without clusters
   */
  *dropContent(emptyEnd: number): Step<void> {
    const { hostOffset, lengthBytes } = this.layout.l1;
    try {
      yield* writeZeros(this.storage, hostOffset, lengthBytes);
      yield* flushStorage(this.storage);
      this.#dropped = { emptyEnd, isUnread: false };
    } finally {
      this.l1.forget();
      this.l2.forget();
    }
  }

  /** Nobody looks at what was dropped before the last flush: its space may be used again. */
  reclaim(): void {
    if (this.#dropped === undefined || this.#dropped.isUnread) return;
    const { emptyEnd } = this.#dropped;
    this.#dropped = { emptyEnd, isUnread: true };
    this.#space = new AppendSpace(this.storage, emptyEnd, 1);
  }

  reservableFrom(clusterIndex: number): number {
    return this.clustersPerTable - (clusterIndex % this.clustersPerTable);
  }

  *reserve(count: number, firstCluster: number): Step<number> {
    yield* this.prepare();
    if (this.#tableFirst) yield* this.placeTable(firstCluster);
    return this.take(count * this.blockBytes, this.#alignment);
  }

  /** Makes sure that there is a table for a cluster. Prepared before. */
  protected *placeTable(clusterIndex: number): Step<void> {
    yield* this.load(clusterIndex);
    this.#pageFor(clusterIndex);
  }

  /** Space behind all that is used. Prepared before. */
  protected take(lengthBytes: number, alignment: number): number {
    // What is new lies behind what was dropped, whose space is lost then.
    if (this.#dropped?.isUnread === false) this.#dropped = undefined;
    const { end } = this.#space;
    this.#space.reserve(alignUp(end, alignment) - end);
    return this.#space.reserve(lengthBytes);
  }

  /** Comes before every change: flushes early where much has changed, and makes room for a table. */
  *prepare(): Step<void> {
    if (this.l2.dirtyBytes + this.l1.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    yield* this.#space.cutFile();
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    yield* this.giveBack(hostOffset, count * this.blockBytes);
  }

  protected *giveBack(hostOffset: number, lengthBytes: number): Step<void> {
    yield* this.#space.unreserve(hostOffset, lengthBytes);
  }

  link(clusterIndex: number, hostOffset: number): void {
    this.setEntry(clusterIndex, Math.floor(hostOffset / TWO_32), hostOffset % TWO_32);
  }

  /** Changes the entry of a cluster. Prepared and loaded before. */
  setEntry(clusterIndex: number, high: number, low: number): void {
    const page = this.#pageFor(clusterIndex);
    this.#write(this.l2, page, clusterIndex * ENTRY_BYTES, high, low);
  }

  /** The page of a cluster's entry; in a new table where there is none. */
  #pageFor(clusterIndex: number): TablePage {
    const present = this.l2.find(clusterIndex * ENTRY_BYTES);
    if (present !== undefined) return present;
    if (this.tableOffset(clusterIndex) !== 0) {
      throw new Error('assertion failed: a change of a page that is not in memory');
    }
    const entryAt = Math.floor(clusterIndex / this.clustersPerTable) * ENTRY_BYTES;
    const l1Page = this.l1.find(entryAt)!;
    const table = this.take(this.layout.l2TableBytes, this.#alignment);
    this.#write(this.l1, l1Page, entryAt, Math.floor(table / TWO_32), table % TWO_32);
    return this.newPage(table, clusterIndex);
  }

  #write(pages: TablePages, page: TablePage, entryAt: number, high: number, low: number): void {
    const { littleEndian } = this.entries;
    const at = pages.offsetInPage(entryAt);
    page.view.setUint32(littleEndian ? at + 4 : at, high, littleEndian);
    page.view.setUint32(littleEndian ? at : at + 4, low, littleEndian);
    pages.markDirty(page, at, at + ENTRY_BYTES);
  }

  /** Data first, then the tables that name it, then the L1 table, each durable before the next. */
  *flush(): Step<void> {
    const { storage } = this;
    if (this.l2.isDirty || this.l1.isDirty) yield* this.#growFile();
    yield* flushStorage(storage);
    for (const [pages, event] of [
      [this.l2, 'l2_update'],
      [this.l1, 'l1_update'],
    ] as const) {
      if (!pages.isDirty) continue;
      yield* pages.write(during(storage, event));
      yield* flushStorage(storage);
    }
    this.l2.markClean();
    this.l1.markClean();
  }

  /** The file holds every cluster and table to its end, and what was not written is zeros. */
  *#growFile(): Step<void> {
    if (this.storage.sizeBytes >= this.#space.end) return;
    yield* truncateStorage(this.storage, this.#space.end);
  }

  /** What was given up goes back to the host. Where that is refused, it costs space, no more. */
  *close(): Step<void> {
    if (this.#dropped?.isUnread !== true) return;
    try {
      yield* this.#space.cutFile();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }
}
