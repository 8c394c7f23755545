/** The upper level of the mapping: which L2 table maps which part of the disk. */
import { divideUp, maskBits } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';

const ENTRY_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

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
  readonly #entries: DataView;
  readonly #heldEntries: number;
  readonly #mask: OffsetMask;
  /** A run of unallocated entries found earlier, so that a walk over it stays linear. */
  #runStart = 0;
  #runEnd = 0;

  private constructor(hostOffset: number, bytes: Uint8Array, mask: OffsetMask) {
    this.hostOffset = hostOffset;
    this.#entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#heldEntries = bytes.length / ENTRY_BYTES;
    this.#mask = mask;
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

  /** Host offset of an L2 table, 0 for none. Exact only up to 2^53. */
  l2TableOffset(index: number): number {
    if (index >= this.#heldEntries) return 0;
    const high = maskBits(this.#entries.getUint32(index * ENTRY_BYTES), this.#mask.high);
    const low = maskBits(this.#entries.getUint32(index * ENTRY_BYTES + 4), this.#mask.low);
    return high * TWO_32 + low;
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
