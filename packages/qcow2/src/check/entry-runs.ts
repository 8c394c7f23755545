/**
 * Walks over the entries of an L2 table in runs: neighbours with the same flags whose clusters
 * follow each other. Most tables are a few long runs, and millions of entries have to be looked at.
 */
import { maskBits, setBits } from '@diskfile/bytes';
import { isCompressed } from '../tables/l2-entry.ts';

const TWO_32 = 0x1_0000_0000;
/** Bits 9 to 55 hold an offset; none of them set, there is no cluster. */
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;

export class EntryRuns {
  /** The first entry of the run, and where in the table it is. */
  high = 0;
  low = 0;
  at = 0;
  /** Entries of the run. */
  length = 0;
  readonly #clusterBytes: number;
  readonly #extended: boolean;
  readonly #entryBytes: number;
  #entries: DataView = new DataView(new ArrayBuffer(0));
  #next = 0;

  constructor(clusterBytes: number, extended: boolean) {
    this.#clusterBytes = clusterBytes;
    this.#extended = extended;
    this.#entryBytes = extended ? 16 : 8;
  }

  start(entries: DataView): void {
    this.#entries = entries;
    this.#next = 0;
  }

  /** Goes to the next run; false at the end. Entries of zeros alone are passed over. */
  next(): boolean {
    const entries = this.#entries;
    const step = this.#entryBytes;
    let at = this.#next;
    while (at < entries.byteLength && this.#isEmpty(at)) at += step;
    this.#next = at;
    if (at >= entries.byteLength) return false;
    this.at = at;
    this.high = entries.getUint32(at);
    this.low = entries.getUint32(at + 4);
    const end = this.#follows() ? this.#runEnd(at + step) : at + step;
    this.length = (end - at) / step;
    this.#next = end;
    return true;
  }

  #isEmpty(at: number): boolean {
    const entries = this.#entries;
    if (entries.getUint32(at) !== 0 || entries.getUint32(at + 4) !== 0) return false;
    return !this.#extended || (entries.getUint32(at + 8) === 0 && entries.getUint32(at + 12) === 0);
  }

  /** Whether the entry names a cluster that another one can follow. */
  #follows(): boolean {
    if (isCompressed(this.high)) return false;
    return setBits(maskBits(this.high, OFFSET_HIGH), maskBits(this.low, OFFSET_LOW)) !== 0;
  }

  #runEnd(second: number): number {
    const entries = this.#entries;
    const { high } = this;
    let low = this.low + this.#clusterBytes;
    let at = second;
    for (; at < entries.byteLength && low < TWO_32; at += this.#entryBytes) {
      if (entries.getUint32(at + 4) !== low || entries.getUint32(at) !== high) break;
      if (this.#extended && !this.#hasSameBitmap(at)) break;
      low += this.#clusterBytes;
    }
    return at;
  }

  #hasSameBitmap(at: number): boolean {
    const entries = this.#entries;
    const isSame = (offset: number) =>
      entries.getUint32(at + offset) === entries.getUint32(this.at + offset);
    return isSame(8) && isSame(12);
  }
}
