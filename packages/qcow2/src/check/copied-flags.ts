/**
 * The flag of L1 and L2 entries which says that a cluster has a refcount of exactly one, so that it
 * may be written where it lies (specification, "Cluster mapping": bit 63). It counts for the active
 * tables only, and is compared with the refcount that the image stores.
 */
import { hex } from '../errors.ts';
import type { Qcow2Header } from '../header.ts';
import { clusterOffset, isCompressed, isCopied } from '../l2-entry.ts';
import type { Findings } from './findings.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

/** Told of each entry whose flag is wrong. */
export type WrongFlag = (at: number, shouldBeSet: boolean) => void;

export class CopiedFlags {
  readonly #clusterBytes: number;
  readonly #extended: boolean;
  readonly #external: boolean;
  readonly #stored: StoredRefcounts;

  constructor(header: Qcow2Header, external: boolean, stored: StoredRefcounts) {
    this.#clusterBytes = header.clusterBytes;
    this.#extended = header.extendedL2;
    this.#external = external;
    this.#stored = stored;
  }

  /** Compares all entries of the active L1 table, or of a part of it. */
  compareL1(entries: DataView, onWrong: WrongFlag): void {
    for (let at = 0; at + 8 <= entries.byteLength; at += 8) {
      const high = entries.getUint32(at);
      const hostOffset = clusterOffset(high, entries.getUint32(at + 4));
      if (hostOffset === 0) continue;
      const isOne = this.#stored.isOne(Math.floor(hostOffset / this.#clusterBytes));
      if (isOne !== undefined && isOne !== isCopied(high)) onWrong(at, isOne);
    }
  }

  /** Whether the entries of an L2 table can be compared at all. */
  isComparable(tableOffset: number): boolean {
    if (tableOffset === 0) return false;
    return this.#stored.isOne(Math.floor(tableOffset / this.#clusterBytes)) !== undefined;
  }

  /** Compares all entries of a table that the active L1 table names. */
  compareL2(entries: DataView, onWrong: WrongFlag): void {
    const entryBytes = this.#extended ? 16 : 8;
    for (let at = 0; at < entries.byteLength; at += entryBytes) {
      const high = entries.getUint32(at);
      if (isCompressed(high)) continue;
      const copied = isCopied(high);
      const low = entries.getUint32(at + 4);
      const hostOffset = clusterOffset(high, low);
      if (this.#external) {
        // Offset 0 with the flag is a cluster of the data file, which has no refcounts.
        if (hostOffset !== 0 && !copied) onWrong(at, true);
      } else if (hostOffset !== 0) {
        const isOne = this.#stored.isOne(Math.floor(hostOffset / this.#clusterBytes));
        if (isOne !== undefined && isOne !== copied) onWrong(at, isOne);
      }
    }
  }
}

/** Reports wrong flags of one table. */
export function reportFlag(
  findings: Findings,
  entryOffset: number,
  shouldBeSet: boolean,
  times: number,
): void {
  const state = shouldBeSet ? 'lacks the copied flag' : 'has the copied flag';
  const use = shouldBeSet ? 'nothing else uses its cluster' : 'its cluster is not used once';
  findings.corruption(times, () => ({
    detail: 'qcow2.check.copied-flag',
    message: `The entry at ${hex(entryOffset)} ${state}, though ${use}`,
    hostOffset: entryOffset,
  }));
}
