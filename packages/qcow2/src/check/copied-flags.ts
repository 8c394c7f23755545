/**
 * The flag of L1 and L2 entries which says that a cluster has a refcount of exactly one, so that it
 * may be written where it lies (specification, "Cluster mapping": bit 63). It counts for the active
 * tables only, and is compared with the refcount that the image stores.
 */
import type { Qcow2Header } from '../header/header.ts';
import { clusterOffset, isCompressed, isCopied } from '../tables/l2-entry.ts';
import { EntryRuns } from './entry-runs.ts';
import { HostClusterField } from './host-cluster.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

/** Told of each entry whose flag is wrong. */
export type WrongFlag = (at: number, shouldBeSet: boolean) => void;

export class CopiedFlags {
  readonly #clusterBytes: number;
  readonly #hostCluster: HostClusterField;
  readonly #extended: boolean;
  readonly #external: boolean;
  readonly #stored: StoredRefcounts;
  readonly #runs: EntryRuns;

  constructor(header: Qcow2Header, external: boolean, stored: StoredRefcounts) {
    this.#clusterBytes = header.clusterBytes;
    this.#hostCluster = new HostClusterField(header.clusterBits);
    this.#extended = header.extendedL2;
    this.#external = external;
    this.#stored = stored;
    this.#runs = new EntryRuns(header.clusterBytes, header.extendedL2);
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
    const runs = this.#runs;
    for (runs.start(entries); runs.next();) this.compareRun(entries, runs, onWrong);
  }

  /** As {@link compareL2} for one run of entries. */
  compareRun(entries: DataView, run: EntryRuns, onWrong: WrongFlag): void {
    const { high, low } = run;
    if (isCompressed(high) || clusterOffset(high, low) === 0) return;
    const copied = isCopied(high);
    const index = this.#hostCluster.index(high, low);
    // Clusters of a data file have no refcounts and only one use.
    const isFine = this.#external ? copied : this.#stored.areAll(index, run.length, copied);
    if (!isFine) this.#compareEach(entries, run, onWrong);
  }

  #compareEach(entries: DataView, { at, length }: EntryRuns, onWrong: WrongFlag): void {
    const entryBytes = this.#extended ? 16 : 8;
    for (let each = at; each < at + length * entryBytes; each += entryBytes) {
      const high = entries.getUint32(each);
      const index = this.#hostCluster.index(high, entries.getUint32(each + 4));
      const isOne = this.#external || this.#stored.isOne(index);
      if (isOne !== isCopied(high) && isOne !== undefined) onWrong(each, isOne);
    }
  }
}
