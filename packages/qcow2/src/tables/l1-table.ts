/** The upper level of the mapping: which L2 table maps which part of the disk. */
import { divideUp, maskBits, setBits, testBit } from '@diskfile/bytes';
import { DirtyRange, readBytes, type Step, type Storage } from '@diskfile/core';

const ENTRY_BYTES = 8;
const TWO_32 = 0x1_0000_0000;
const COPIED_HIGH = 0x8000_0000;

/** Which bits of an entry are the offset, as two halves. */
export interface OffsetMask {
  readonly high: number;
  readonly low: number;
}

/**
 * The table as it lies in the file. Entries beyond the end of the file or of the table count as
 * zero, as all bytes beyond the end of an image do.
 */
export class L1Table {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  readonly dirty = new DirtyRange();
  readonly #entries: DataView;
  readonly #heldEntries: number;
  readonly #mask: OffsetMask;
  /** A run of unallocated entries found earlier, so that a walk over it stays linear. */
  #runStart = 0;
  #runEnd = 0;

  /** @param bytes all entries that are held; the table's own from now on */
  constructor(hostOffset: number, bytes: Uint8Array, mask: OffsetMask) {
    this.hostOffset = hostOffset;
    this.bytes = bytes;
    this.#entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#heldEntries = bytes.length / ENTRY_BYTES;
    this.#mask = mask;
  }

  /** Reads every entry, so that all of them can be set; the caller has bounded `entries`. */
  static *readWhole(
    storage: Storage,
    hostOffset: number,
    entries: number,
    mask: OffsetMask,
  ): Step<L1Table> {
    const bytes = yield* readBytes(storage, hostOffset, entries * ENTRY_BYTES);
    return new L1Table(hostOffset, bytes, mask);
  }

  /** Reads no more than the file holds; the caller has bounded `entries`. */
  static *read(
    storage: Storage,
    hostOffset: number,
    entries: number,
    mask: OffsetMask,
  ): Step<L1Table> {
    const inFile = divideUp(Math.max(0, storage.sizeBytes - hostOffset), ENTRY_BYTES);
    const held = Math.min(entries, inFile);
    const bytes = yield* readBytes(storage, hostOffset, held * ENTRY_BYTES);
    return new L1Table(hostOffset, bytes, mask);
  }

  /** Entries that are held. */
  get entries(): number {
    return this.#heldEntries;
  }

  /** Host offset of an L2 table, 0 for none. Exact only up to 2^53. */
  l2TableOffset(index: number): number {
    if (index >= this.#heldEntries) return 0;
    const high = maskBits(this.#entries.getUint32(index * ENTRY_BYTES), this.#mask.high);
    const low = maskBits(this.#entries.getUint32(index * ENTRY_BYTES + 4), this.#mask.low);
    return high * TWO_32 + low;
  }

  /** Bit 63: the refcount of the L2 table is exactly one. */
  isCopied(index: number): boolean {
    return index < this.#heldEntries && testBit(this.#entries.getUint32(index * ENTRY_BYTES), 31);
  }

  /** Names an L2 table that only this entry uses. The table was read in full. */
  set(index: number, hostOffset: number): void {
    const at = index * ENTRY_BYTES;
    this.#entries.setUint32(at, setBits(Math.floor(hostOffset / TWO_32), COPIED_HIGH));
    this.#entries.setUint32(at + 4, hostOffset % TWO_32);
    this.#changed(at);
  }

  /** Names no L2 table from now on. The table was read in full. */
  clear(index: number): void {
    const at = index * ENTRY_BYTES;
    this.bytes.fill(0, at, at + ENTRY_BYTES);
    this.#changed(at);
  }

  #changed(at: number): void {
    this.dirty.add(at, at + ENTRY_BYTES, this.bytes.length);
    this.#runStart = 0;
    this.#runEnd = 0;
  }

  /** First entry from `index` on that has an L2 table; `limit` when there is none before. */
  nextAllocated(index: number, limit: number): number {
    const known = index >= this.#runStart && index <= this.#runEnd;
    let end = known ? this.#runEnd : index;
    while (end < limit && end < this.#heldEntries && this.l2TableOffset(end) === 0) end += 1;
    if (!known) this.#runStart = index;
    this.#runEnd = end;
    return end >= this.#heldEntries ? limit : Math.min(end, limit);
  }
}
