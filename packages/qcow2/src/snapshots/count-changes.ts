/**
 * What an operation on snapshots does to refcounts: first gathered, then checked against the counts
 * of now, and only then applied, to copies of the refcount blocks.
 */
import type { Step } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import type { MetadataMap } from '../overlap.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { ReferenceTally } from '../refcounts/reference-tally.ts';
import type { Refcounts } from '../refcounts/refcounts.ts';
import type { ClusterTree } from './cluster-tree.ts';

/** What becomes of a cluster that loses references. */
const FATE = { single: 1, unused: 2 } as const;

export class CountChanges {
  /** References that are added, each beside one like it that stays. */
  readonly raised: ReferenceTally;
  /** References that go. */
  readonly lowered: ReferenceTally;
  /** Clusters that nothing will refer to. */
  readonly unused = new ClusterRuns();
  /** Indexes of the refcount blocks that change. */
  readonly blocks: number[] = [];
  readonly #refcounts: Refcounts;
  readonly #fates: ReferenceTally;

  /** @param maxBytes memory that each of the counts may take */
  constructor(refcounts: Refcounts, maxBytes: number) {
    this.#refcounts = refcounts;
    this.raised = new ReferenceTally(maxBytes);
    this.lowered = new ReferenceTally(maxBytes);
    this.#fates = new ReferenceTally(maxBytes);
  }

  /**
   * Refuses guest data that lies where metadata is. To be called before tables are counted.
   * @throws DiskError `corrupt`
   */
  refuseDataIn(map: MetadataMap, trees: readonly ClusterTree[]): void {
    const { clusterBytes } = this.#refcounts;
    const refuse = (kind: string, cluster: number) => {
      if (this.raised.get(cluster) === 0 && this.lowered.get(cluster) === 0) return;
      throw overlapping('guest data', kind, cluster * clusterBytes);
    };
    for (const { kind, clusterIndex } of map.clusters()) refuse(kind, clusterIndex);
    for (const { tableOffsets } of trees) {
      for (const offset of tableOffsets) {
        const cluster = offset / clusterBytes;
        refuse('L2 table', cluster);
        const kind = map.find(cluster, cluster + 1);
        if (kind !== undefined && kind !== 'L2 table') throw overlapping('L2 table', kind, offset);
      }
    }
  }

  /**
   * Compares with the counts of now.
   * @throws DiskError `corrupt` where a count is too low, `limit` where one gets too high
   */
  *evaluate(): Step<void> {
    const { clustersPerBlock } = this.#refcounts;
    const touched = [
      ...this.raised.blocks(clustersPerBlock),
      ...this.lowered.blocks(clustersPerBlock),
    ];
    for (const index of [...new Set(touched)].toSorted((a, b) => a - b)) {
      if (yield* this.#evaluateBlock(index)) this.blocks.push(index);
    }
  }

  /** Returns whether the block changes. */
  *#evaluateBlock(index: number): Step<boolean> {
    const refcounts = this.#refcounts;
    const block = yield* refcounts.load(index);
    const first = index * refcounts.clustersPerBlock;
    let changes = false;
    for (let slot = 0; slot < refcounts.clustersPerBlock; slot++) {
      const cluster = first + slot;
      const raised = this.raised.get(cluster);
      const lowered = this.lowered.get(cluster);
      if (raised === 0 && lowered === 0) continue;
      const before = block?.get(slot) ?? 0;
      if (before < raised + lowered) throw refcounts.notInUse(cluster, before);
      const after = before + raised - lowered;
      if (after > refcounts.maxCount) throw refcounts.saturated(cluster);
      if (after !== before) changes = true;
      if (after === 0) this.unused.add({ start: cluster, count: 1 });
      if (lowered > 0 && after <= 1) {
        this.#fates.addRun(cluster, 1, after === 1 ? FATE.single : FATE.unused);
      }
    }
    return changes;
  }

  /**
   * Refuses tables that go on being used and that nothing counts.
   * @throws DiskError `corrupt`
   */
  *refuseUncounted(clusters: Iterable<number>): Step<void> {
    for (const cluster of clusters) {
      const count = yield* this.#refcounts.get(cluster);
      if (count <= this.lowered.get(cluster)) throw this.#refcounts.notInUse(cluster, count);
    }
  }

  /** The count that a cluster gets. */
  readonly countAfter = (clusterIndex: number, count: number): number =>
    count + this.raised.get(clusterIndex) - this.lowered.get(clusterIndex);

  /** Whether the count of a cluster comes down to exactly one. */
  becomesSingle(clusterIndex: number): boolean {
    return this.#fates.get(clusterIndex) === FATE.single;
  }

  /** @throws DiskError `corrupt` when nothing would count what is in use */
  refuseUnused(clusterIndex: number): void {
    if (this.#fates.get(clusterIndex) !== FATE.unused) return;
    throw this.#refcounts.notInUse(clusterIndex, this.lowered.get(clusterIndex));
  }
}

function overlapping(what: string, kind: string, hostOffset: number): Error {
  return corrupt('qcow2.overlap', `The ${what} at ${hex(hostOffset)} lies where the ${kind} is`, {
    offset: hostOffset,
  });
}
