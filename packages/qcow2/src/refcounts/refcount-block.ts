/** One refcount block in memory. */
import { isAllZero } from '@diskfile/bytes';
import { DirtyRange } from '@diskfile/core';
import type { RefcountWidth } from './refcount-width.ts';

export class RefcountBlock {
  /** Place in the refcount table: the block counts clusters from `index * clustersPerBlock` on. */
  readonly index: number;
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  readonly dirty = new DirtyRange();
  readonly #width: RefcountWidth;
  readonly #onDirty: () => void;

  /** @param onDirty called when the first change is made to a clean block */
  constructor(
    index: number,
    hostOffset: number,
    bytes: Uint8Array,
    width: RefcountWidth,
    onDirty: () => void,
  ) {
    this.#onDirty = onDirty;
    this.index = index;
    this.hostOffset = hostOffset;
    this.bytes = bytes;
    this.#width = width;
  }

  get(slot: number): number {
    return this.#width.get(this.bytes, slot);
  }

  isZero(slot: number): boolean {
    return this.#width.isZero(this.bytes, slot);
  }

  set(slot: number, count: number): void {
    this.#width.set(this.bytes, slot, count);
    this.#markDirty(slot);
  }

  markAllDirty(): void {
    if (this.dirty.isEmpty) this.#onDirty();
    this.dirty.add(0, this.bytes.length, this.bytes.length);
  }

  /** Sets the counts from slot `from` to before `to` to 0; both lie at whole bytes. */
  clear(from: number, to: number): void {
    const start = (from * this.#width.bits) / 8;
    const end = (to * this.#width.bits) / 8;
    const counts = this.bytes.subarray(start, end);
    if (isAllZero(counts)) return;
    counts.fill(0);
    if (this.dirty.isEmpty) this.#onDirty();
    this.dirty.add(start, end, this.bytes.length);
  }

  #markDirty(slot: number): void {
    if (this.dirty.isEmpty) this.#onDirty();
    const at = Math.floor((slot * this.#width.bits) / 8);
    this.dirty.add(at, at + 1, this.bytes.length);
  }
}
