/** Compares the stored refcounts with the references that were counted. */
import { divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { hex } from '../errors.ts';
import type { Findings } from './findings.ts';
import type { References } from './references.ts';
import { DECODED_AT_ONCE, type StoredRefcounts } from './stored-refcounts.ts';

/** Neighbours that are wrong in the same way, so that they become one finding. */
interface WrongRun {
  readonly start: number;
  clusters: number;
  readonly stored: number;
  readonly counted: number;
}

export class RefcountComparison {
  /** The last cluster that is in use or counted as such. */
  highestCluster = 0;
  /** Clusters are in use that no refcount block counts. */
  lacksBlocks = false;
  /** Refcounts that are not as they should be. */
  tooLow = 0;
  tooHigh = 0;
  readonly #stored: StoredRefcounts;
  readonly #references: References;
  readonly #clusterBytes: number;
  readonly #findings: Findings;
  readonly #storedCounts = new Float64Array(DECODED_AT_ONCE);
  readonly #countedReferences = new Uint32Array(DECODED_AT_ONCE);
  #run: WrongRun | undefined;

  constructor(
    stored: StoredRefcounts,
    references: References,
    clusterBytes: number,
    findings: Findings,
  ) {
    this.#stored = stored;
    this.#references = references;
    this.#clusterBytes = clusterBytes;
    this.#findings = findings;
  }

  *run(): Step<void> {
    const { clusters } = this.#references;
    const end = divideUp(clusters, this.#stored.clustersPerBlock);
    let next = 0;
    yield* this.#stored.eachBlock(this.#stored.presentBlocks(end), (block, index) => {
      this.#compareAbsent(next, index, clusters);
      this.#compareBlock(block, index, clusters);
      next = index + 1;
    });
    this.#compareAbsent(next, end, clusters);
    this.#endRun();
  }

  #compareBlock(block: Uint8Array, index: number, clusters: number): void {
    const { clustersPerBlock } = this.#stored;
    const start = index * clustersPerBlock;
    const slots = Math.min(clustersPerBlock, clusters - start);
    for (let slot = 0; slot < slots; slot += DECODED_AT_ONCE) {
      const length = Math.min(DECODED_AT_ONCE, slots - slot);
      const stored = this.#storedCounts.subarray(0, length);
      const counted = this.#countedReferences.subarray(0, length);
      this.#stored.decode(block, slot, stored);
      this.#references.tally.copyCounts(start + slot, counted);
      this.#compare(start + slot, stored, counted);
    }
  }

  #compare(start: number, stored: Float64Array, counted: Uint32Array): void {
    const countMax = this.#stored.width.max;
    for (let each = 0; each < stored.length; each++) {
      const references = counted[each]!;
      if (stored[each] === references) {
        if (references !== 0) this.highestCluster = start + each;
        continue;
      }
      const count = Math.min(references, countMax);
      this.highestCluster = start + each;
      if (stored[each] !== count) this.#wrong(start + each, stored[each]!, count);
    }
  }

  /** Blocks that are not there, hold zeros only, or cannot be read. */
  #compareAbsent(first: number, end: number, clusters: number): void {
    const { clustersPerBlock } = this.#stored;
    for (let index = first; index < end; index++) {
      const start = index * clustersPerBlock;
      const stop = Math.min(start + clustersPerBlock, clusters);
      if (index < this.#stored.capacity && this.#stored.isUnreadable(index)) {
        this.#unreadable(index, stop - start);
      } else if (!this.#references.tally.isBlank(start, stop)) this.#compareZeros(start, stop);
    }
  }

  #compareZeros(start: number, end: number): void {
    for (let cluster = start; cluster < end; cluster++) {
      const counted = this.#references.count(cluster);
      if (counted === 0) continue;
      this.highestCluster = cluster;
      this.lacksBlocks = true;
      this.#wrong(cluster, 0, counted);
    }
  }

  #unreadable(index: number, clusters: number): void {
    this.#findings.checkError(clusters, () => ({
      detail: 'qcow2.check.refcounts-unreadable',
      message: `The refcounts of ${clusters} clusters are in a block that cannot be read`,
      hostOffset: this.#stored.tableOffset + index * 8,
    }));
  }

  #wrong(cluster: number, stored: number, counted: number): void {
    if (stored > counted) this.tooHigh += 1;
    else this.tooLow += 1;
    const run = this.#run;
    const continues =
      run !== undefined &&
      cluster === run.start + run.clusters &&
      stored === run.stored &&
      counted === run.counted;
    if (continues) {
      run.clusters += 1;
      return;
    }
    this.#endRun();
    this.#run = { start: cluster, clusters: 1, stored, counted };
  }

  #endRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const { start, clusters, stored, counted } = run;
    const hostOffset = start * this.#clusterBytes;
    const which =
      clusters === 1
        ? `The cluster at ${hex(hostOffset)} is`
        : `The ${clusters} clusters from ${hex(hostOffset)} on are`;
    const message = `${which} counted ${times(stored)} and used ${times(counted)}`;
    const counts = { firstCluster: start, clusters, stored, counted };
    if (stored > counted) {
      const detail = 'qcow2.check.leak';
      this.#findings.leak(clusters, () => ({ detail, message, hostOffset, counts }));
    } else {
      const detail = 'qcow2.check.refcount-too-low';
      this.#findings.corruption(clusters, () => ({ detail, message, hostOffset, counts }));
    }
  }
}

function times(count: number): string {
  if (count === 0) return 'not at all';
  return count === 1 ? 'once' : `${count} times`;
}
