/** Reads the bitmaps of an image that is not open for writing. */
import type { BitmapReader, DirtyGuestRange, Limits, Step, Storage } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import { type BitmapEntry, isInUse, isUnderstood } from './bitmap-entry.ts';
import { BitmapTable, TABLE_ENTRY_BYTES } from './bitmap-table.ts';
import {
  bitmapInconsistent,
  bitmapNotFound,
  bitmapNotUnderstood,
  bitmapTooLarge,
} from './refusals.ts';
import { StoredContent } from './stored-content.ts';

export class StoredBitmaps implements BitmapReader {
  readonly #storage: Storage;
  readonly #header: Qcow2Header;
  readonly #entries: readonly BitmapEntry[];
  readonly #limits: Limits;
  /** The bitmap that was read last. */
  #last: { readonly name: string; readonly content: StoredContent } | undefined;

  constructor(
    storage: Storage,
    header: Qcow2Header,
    entries: readonly BitmapEntry[],
    limits: Limits,
  ) {
    this.#storage = storage;
    this.#header = header;
    this.#entries = entries;
    this.#limits = limits;
  }

  *nextDirty(name: string, guestOffset: number, end: number): Step<DirtyGuestRange | undefined> {
    const content = this.#last?.name === name ? this.#last.content : yield* this.#open(name);
    return yield* content.nextDirty(guestOffset, end);
  }

  *#open(name: string): Step<StoredContent> {
    const entry = this.#entries.find((each) => each.name === name);
    if (entry === undefined) throw bitmapNotFound(name);
    if (isInUse(entry)) throw bitmapInconsistent(name);
    if (!isUnderstood(entry)) throw bitmapNotUnderstood(name);
    const { table: place, granularityBits } = entry;
    const { clusterBytes, sizeBytes } = this.#header;
    if (place.entries * TABLE_ENTRY_BYTES > this.#limits.maxStructureBytes) {
      throw bitmapTooLarge(name);
    }
    const table = yield* BitmapTable.read(this.#storage, place, clusterBytes);
    const geometry = { clusterBytes, sizeBytes, granularityBits };
    const content = new StoredContent(this.#storage, table, geometry);
    this.#last = { name, content };
    return content;
  }
}
