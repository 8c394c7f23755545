/** A table of an image file in memory, page by page: bounded in bytes, changes kept until written. */
import { alignDown, alignUp } from '@diskfile/bytes';
import { type HostCall, ParallelCalls, type Step } from '../step.ts';
import { readInto, type Storage, type WritableStorage } from '../storage.ts';
import { DirtyRange } from './dirty-range.ts';

const PAGE_BYTES = 64 * 1024;
/** Writes of pages that are under way at a time. */
const PARALLEL_WRITES = 32;

export interface TablePage {
  readonly index: number;
  /** Where it lies in the file. */
  readonly hostOffset: number;
  readonly view: DataView<ArrayBuffer>;
  readonly dirty: DirtyRange;
  recentlyUsed: boolean;
}

export interface TablePlace {
  readonly hostOffset: number;
  readonly lengthBytes: number;
}

export class TablePages {
  readonly place: TablePlace;
  readonly #storage: Storage;
  readonly #capacity: number;
  readonly #pageBytes: number;
  readonly #pages = new Map<number, TablePage>();
  #last: TablePage | undefined;
  #dirtyCount = 0;
  /** Counts what has been written: bytes read before may be out of date. */
  #version = 0;

  /**
   * @param cacheBytes of the table to keep in memory; one page at the least
   * @param pageBytes less than the default where the table lies in smaller pieces
   */
  constructor(storage: Storage, place: TablePlace, cacheBytes: number, pageBytes = PAGE_BYTES) {
    this.#storage = storage;
    this.place = place;
    this.#pageBytes = Math.min(pageBytes, PAGE_BYTES);
    this.#capacity = Math.max(1, Math.floor(cacheBytes / this.#pageBytes));
  }

  /** The page that holds byte `at` of the table, when it is in memory. */
  find(at: number): TablePage | undefined {
    const index = Math.floor(at / this.#pageBytes);
    if (this.#last?.index === index) return this.#last;
    const page = this.#pages.get(index);
    if (page === undefined) return undefined;
    page.recentlyUsed = true;
    this.#last = page;
    return page;
  }

  /** Where byte `at` of the table lies within its page. */
  offsetInPage(at: number): number {
    return at % this.#pageBytes;
  }

  /** @param hostOffset of the page, where the pages do not follow one another in the file */
  *load(at: number, hostOffset = this.#hostOffsetOf(at)): Step<TablePage> {
    for (;;) {
      const present = this.find(at);
      if (present !== undefined) return present;
      const version = this.#version;
      const bytes = this.#newBytes(at);
      yield* readInto(this.#storage, bytes, hostOffset);
      // A writer may have brought the page in, changed it and written it back in the meantime.
      if (version === this.#version && this.find(at) === undefined) {
        return this.#keep(at, hostOffset, bytes);
      }
    }
  }

  /** A page of zeros in memory, for a part of the table that is new in the file. */
  add(at: number, hostOffset: number): TablePage {
    return this.#keep(at, hostOffset, this.#newBytes(at));
  }

  #hostOffsetOf(at: number): number {
    return this.place.hostOffset + alignDown(at, this.#pageBytes);
  }

  #newBytes(at: number): Uint8Array<ArrayBuffer> {
    const start = alignDown(at, this.#pageBytes);
    return new Uint8Array(Math.min(this.#pageBytes, this.place.lengthBytes - start));
  }

  #keep(at: number, hostOffset: number, bytes: Uint8Array<ArrayBuffer>): TablePage {
    this.#evict();
    const page: TablePage = {
      index: Math.floor(at / this.#pageBytes),
      hostOffset,
      view: new DataView(bytes.buffer),
      dirty: new DirtyRange(),
      recentlyUsed: true,
    };
    this.#pages.set(page.index, page);
    this.#last = page;
    return page;
  }

  /** Drops clean pages that were not used for long; with all dirty, the table grows in memory. */
  #evict(): void {
    for (const [index, page] of this.#pages) {
      if (this.#pages.size < this.#capacity) return;
      if (!page.dirty.isEmpty) continue;
      this.#pages.delete(index);
      if (page.recentlyUsed) {
        page.recentlyUsed = false;
        this.#pages.set(index, page);
      } else if (this.#last === page) this.#last = undefined;
    }
  }

  /** Bytes `from` to before `to` of the page have been changed. */
  markDirty(page: TablePage, from: number, to: number): void {
    if (page.dirty.isEmpty) this.#dirtyCount += 1;
    page.dirty.add(from, to, page.view.byteLength);
  }

  get dirtyBytes(): number {
    return this.#dirtyCount * this.#pageBytes;
  }

  get isDirty(): boolean {
    return this.#dirtyCount > 0;
  }

  /** Writes what has changed; durable only after a flush of the storage. */
  *write(storage: WritableStorage): Step<void> {
    if (this.#dirtyCount === 0) return;
    const pages = [...this.#pages.values()].filter(({ dirty }) => !dirty.isEmpty);
    for (let start = 0; start < pages.length; start += PARALLEL_WRITES) {
      const group = pages.slice(start, start + PARALLEL_WRITES);
      yield new ParallelCalls(group.map((page) => this.#writeCall(storage, page)));
    }
  }

  #writeCall(storage: WritableStorage, { hostOffset, view, dirty }: TablePage): HostCall {
    const src = new Uint8Array(view.buffer, dirty.from, dirty.to - dirty.from);
    const offset = hostOffset + dirty.from;
    return {
      runSync: () => storage.writeSync(src, offset),
      run: () => storage.write(src, offset),
    };
  }

  /** What has changed, in pieces that begin and end at multiples of `alignment` within the file. */
  *changedPieces(alignment: number): Iterable<{ hostOffset: number; bytes: Uint8Array }> {
    for (const { hostOffset, view, dirty } of this.#pages.values()) {
      if (dirty.isEmpty) continue;
      const to = Math.min(alignUp(dirty.to, alignment), view.byteLength);
      for (let at = alignDown(dirty.from, alignment); at < to; at += alignment) {
        const bytes = new Uint8Array(view.buffer, at, Math.min(alignment, to - at));
        yield { hostOffset: hostOffset + at, bytes };
      }
    }
  }

  /** Forgets all pages, with what of them the file does not have: it has another table now. */
  forget(): void {
    this.#pages.clear();
    this.#last = undefined;
    this.#dirtyCount = 0;
    this.#version += 1;
  }

  /** The file has the table as it is in memory, durably. */
  markClean(): void {
    for (const { dirty } of this.#pages.values()) dirty.clear();
    this.#dirtyCount = 0;
    this.#version += 1;
  }
}
