/**
 * The bits of one bitmap in memory: one for each granule of the disk, in pages that are made when a
 * bit in them is first set. A page whose bits are all set takes no memory, and where memory runs
 * out a page counts as such: a bitmap may call too much dirty, never too little.
 */
import {
  addBitmap,
  clearBitmapBits,
  divideUp,
  isAllOnes,
  isAllZero,
  nextClearBit,
  nextSetBit,
  setBitmapBits,
} from '@diskfile/bytes';
import type { DirtyGuestRange } from '@diskfile/core';
import { granuleCount } from './bitmap-geometry.ts';
import type { BitmapMemory } from './bitmap-memory.ts';

const PAGE_BYTES = 4096;
const PAGE_BITS = PAGE_BYTES * 8;
/** What the list of pages takes for each. */
const PAGE_SLOT_BYTES = 8;
/** Stands for every page whose bits are all set. Never written to. */
const FULL = new Uint8Array(PAGE_BYTES).fill(0xff);

type Page = Uint8Array | undefined;

export class DirtyBits {
  readonly granularityBytes: number;
  /** Whether the bits have changed since this was last set to false. */
  isModified = false;
  readonly #memory: BitmapMemory;
  /** By their place; undefined for a page without a bit set. */
  #pages: Page[] = [];
  #bitCount = 0;
  #sizeBytes = 0;
  #coarse = false;

  private constructor(granularityBytes: number, memory: BitmapMemory) {
    this.granularityBytes = granularityBytes;
    this.#memory = memory;
  }

  /** Bits that are all clear; undefined when there is no memory even for that. */
  static create(
    sizeBytes: number,
    granularityBytes: number,
    memory: BitmapMemory,
  ): DirtyBits | undefined {
    const bits = new DirtyBits(granularityBytes, memory);
    if (!bits.reserve(sizeBytes)) return undefined;
    bits.resize(sizeBytes);
    bits.isModified = false;
    return bits;
  }

  /** Whether more is called dirty than was, for want of memory. */
  get isCoarse(): boolean {
    return this.#coarse;
  }

  /** Bytes that the bits take when they are stored. */
  get lengthBytes(): number {
    return divideUp(this.#bitCount, 8);
  }

  /** Hot path: a guest range, within the disk and not empty, is dirty from now on. */
  mark(guestOffset: number, lengthBytes: number): void {
    const from = Math.floor(guestOffset / this.granularityBytes);
    const to = Math.floor((guestOffset + lengthBytes - 1) / this.granularityBytes) + 1;
    this.#markBits(from, to);
  }

  #markBits(from: number, to: number): void {
    for (let at = from; at < to;) {
      const index = Math.floor(at / PAGE_BITS);
      const start = index * PAGE_BITS;
      const end = Math.min(to, start + PAGE_BITS);
      if (this.#pages[index] !== FULL) {
        if (end - at === PAGE_BITS) this.#fillPage(index);
        else this.#markInPage(index, at - start, end - start);
      }
      at = end;
    }
  }

  #markInPage(index: number, from: number, to: number): void {
    const page = this.#ownPage(index);
    if (page !== undefined && setBitmapBits(page, from, to)) this.isModified = true;
  }

  /** The page to set bits in; undefined when it had to be filled instead. */
  #ownPage(index: number): Page {
    const present = this.#pages[index];
    if (present !== undefined) return present;
    if (this.#memory.take(PAGE_BYTES)) return (this.#pages[index] = new Uint8Array(PAGE_BYTES));
    this.#coarse = true;
    this.#fillPage(index);
    return undefined;
  }

  #fillPage(index: number): void {
    this.#dropPage(index);
    this.#pages[index] = FULL;
    this.isModified = true;
  }

  #dropPage(index: number): void {
    const page = this.#pages[index];
    if (page !== undefined && page !== FULL) this.#memory.giveBack(PAGE_BYTES);
    this.#pages[index] = undefined;
  }

  /** The first dirty range that begins or goes on at `guestOffset` or later, before `end`. */
  nextDirty(guestOffset: number, end: number): DirtyGuestRange | undefined {
    const granule = this.granularityBytes;
    const stop = Math.min(end, this.#sizeBytes);
    if (guestOffset >= stop) return undefined;
    const lastBit = granuleCount(stop, granule);
    const from = this.#nextSet(Math.floor(guestOffset / granule), lastBit);
    if (from >= lastBit) return undefined;
    const to = this.#nextClear(from, lastBit);
    const start = Math.max(guestOffset, from * granule);
    return { guestOffset: start, lengthBytes: Math.min(to * granule, stop) - start };
  }

  #nextSet(from: number, to: number): number {
    for (let at = from; at < to;) {
      const index = Math.floor(at / PAGE_BITS);
      const start = index * PAGE_BITS;
      const end = Math.min(to, start + PAGE_BITS);
      const page = this.#pages[index];
      if (page === FULL) return at;
      const found = page === undefined ? end : start + nextSetBit(page, at - start, end - start);
      if (found < end) return found;
      at = end;
    }
    return to;
  }

  #nextClear(from: number, to: number): number {
    for (let at = from; at < to;) {
      const index = Math.floor(at / PAGE_BITS);
      const start = index * PAGE_BITS;
      const end = Math.min(to, start + PAGE_BITS);
      const page = this.#pages[index];
      if (page === undefined) return at;
      const found = page === FULL ? end : start + nextClearBit(page, at - start, end - start);
      if (found < end) return found;
      at = end;
    }
    return to;
  }

  clear(): void {
    for (let index = 0; index < this.#pages.length; index++) this.#dropPage(index);
    this.#coarse = false;
    this.isModified = true;
  }

  /** Adds all that is dirty in `source`, whatever its granularity. */
  add(source: DirtyBits): void {
    for (let at = 0; ;) {
      const range = source.nextDirty(at, source.#sizeBytes);
      if (range === undefined) break;
      this.mark(range.guestOffset, range.lengthBytes);
      at = range.guestOffset + range.lengthBytes;
    }
  }

  /** Adds bits as they are stored, which begin at a byte of the bitmap. */
  addStored(stored: Uint8Array, fromByte: number): void {
    for (let done = 0; done < stored.length;) {
      const index = Math.floor((fromByte + done) / PAGE_BYTES);
      const at = (fromByte + done) % PAGE_BYTES;
      const part = stored.subarray(done, done + PAGE_BYTES - at);
      if (this.#pages[index] !== FULL && !isAllZero(part)) this.#addToPage(index, at, part);
      done += part.length;
    }
    this.#trim(this.#bitCount);
  }

  #addToPage(index: number, at: number, part: Uint8Array): void {
    if (isAllOnes(part) && part.length === PAGE_BYTES) return this.#fillPage(index);
    const page = this.#ownPage(index);
    if (page !== undefined && addBitmap(page.subarray(at), part)) this.isModified = true;
  }

  /** As {@link addStored} for bytes that are all ones. */
  addStoredOnes(fromByte: number, toByte: number): void {
    this.#markBits(fromByte * 8, Math.min(toByte * 8, this.#bitCount));
  }

  /** What the stored bytes of a range hold: ones as far as there are granules count as ones. */
  contentOf(fromByte: number, toByte: number): 'zeros' | 'ones' | 'mixed' {
    const [from, to] = [fromByte * 8, Math.min(toByte * 8, this.#bitCount)];
    if (this.#nextSet(from, to) === to) return 'zeros';
    return this.#nextClear(from, to) === to ? 'ones' : 'mixed';
  }

  /** Fills `dst` with the bytes to store, from a byte of the bitmap on; zeros behind the last bit. */
  copyTo(dst: Uint8Array, fromByte: number): void {
    dst.fill(0);
    const end = Math.min(fromByte + dst.length, this.lengthBytes);
    for (let at = fromByte; at < end;) {
      const start = at % PAGE_BYTES;
      const stop = Math.min(PAGE_BYTES, start + end - at);
      const page = this.#pages[Math.floor(at / PAGE_BYTES)];
      if (page !== undefined) dst.set(page.subarray(start, stop), at - fromByte);
      at += stop - start;
    }
    const firstBit = fromByte * 8;
    if (end * 8 <= this.#bitCount || end <= fromByte) return;
    clearBitmapBits(dst, this.#bitCount - firstBit, end * 8 - firstBit);
  }

  /** Makes sure of the memory that a disk of that size takes while it is clean. */
  reserve(sizeBytes: number): boolean {
    const slots = divideUp(granuleCount(sizeBytes, this.granularityBytes), PAGE_BITS);
    const missing = slots - this.#pages.length;
    if (missing > 0 && !this.#memory.take(missing * PAGE_SLOT_BYTES)) return false;
    while (this.#pages.length < slots) this.#pages.push(undefined);
    return true;
  }

  /** Goes on for a disk of another size, which is reserved; what is added is clean. */
  resize(sizeBytes: number): void {
    const bitCount = granuleCount(sizeBytes, this.granularityBytes);
    // What is behind the last bit comes to light when the disk grows.
    this.#trim(this.#bitCount);
    this.#trim(bitCount);
    for (let index = divideUp(bitCount, PAGE_BITS); index < this.#pages.length; index++) {
      this.#dropPage(index);
    }
    this.#bitCount = bitCount;
    this.#sizeBytes = sizeBytes;
    this.isModified = true;
  }

  /** Clears the bits behind `bitCount` in the page that holds that bit. */
  #trim(bitCount: number): void {
    const used = bitCount % PAGE_BITS;
    const index = (bitCount - used) / PAGE_BITS;
    const page = this.#pages[index];
    if (used === 0 || page === undefined) return;
    if (page !== FULL) {
      clearBitmapBits(page, used, PAGE_BITS);
    } else if (this.#memory.take(PAGE_BYTES)) {
      this.#pages[index] = new Uint8Array(PAGE_BYTES);
      setBitmapBits(this.#pages[index], 0, used);
    } else this.#coarse = true;
  }

  /** Gives the memory back; the bits must not be used any more. */
  dispose(): void {
    this.clear();
    this.#memory.giveBack(this.#pages.length * PAGE_SLOT_BYTES);
    this.#pages = [];
  }
}
