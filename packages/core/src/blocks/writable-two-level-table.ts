/** Tables of two levels that can be changed: clusters and L2 tables only append. */
import type { Step } from '../step.ts';
import { flushStorage, truncateStorage, type WritableStorage } from '../storage.ts';
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
  readonly #alignment: number;
  readonly #tableFirst: boolean;

  constructor(
    storage: WritableStorage,
    layout: TwoLevelLayout,
    entries: TableEntries,
    { usedEnd, alignment, tableFirst }: AppendOptions,
  ) {
    super(storage, layout, entries);
    this.#space = new AppendSpace(storage, usedEnd, alignment);
    this.#alignment = alignment;
    this.#tableFirst = tableFirst;
  }

  /** Behind all clusters and tables. */
  get usedEnd(): number {
    return this.#space.end;
  }

  /** All clusters and tables are gone; nothing that lies behind `usedEnd` is read any more. */
  startAnew(usedEnd: number): void {
    this.#space = new AppendSpace(this.storage, usedEnd, this.#alignment);
  }

  /** Forgets all entries, with what of them the file does not have: it has other tables now. */
  forget(): void {
    this.l1.forget();
    this.l2.forget();
  }

  /** Gives back to the host what lies behind the used space. */
  *cutFile(): Step<void> {
    yield* this.#space.cutFile();
  }

  reservableFrom(clusterIndex: number): number {
    return this.clustersPerTable - (clusterIndex % this.clustersPerTable);
  }

  *reserve(count: number, firstCluster: number): Step<number> {
    yield* this.prepare();
    if (this.#tableFirst) {
      yield* this.load(firstCluster);
      this.#pageFor(firstCluster);
    }
    return this.#space.reserve(count * this.blockBytes);
  }

  /** Comes before every change: flushes early where much has changed, and makes room for a table. */
  *prepare(): Step<void> {
    if (this.l2.dirtyBytes + this.l1.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    yield* this.cutFile();
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    yield* this.#space.unreserve(hostOffset, count * this.blockBytes);
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
    const table = this.#space.reserve(this.layout.l2TableBytes);
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
    for (const pages of [this.l2, this.l1]) {
      if (!pages.isDirty) continue;
      yield* pages.write(storage);
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

  *close(): Step<void> {}
}
