/**
 * What an operation on snapshots does to refcounts: first gathered, then checked against the counts
 * of now, and only then applied, to copies of the refcount blocks.
 */
import type { Step } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import type { MetadataMap } from '../tables/overlap.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { ReferenceTally } from '../refcounts/reference-tally.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';
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
  /** Clusters whose counts may change, by the index of the block that counts them. */
  readonly #changedParts = new Map<number, ClusterRun[]>();
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
      if (!this.#isTouched(cluster)) return;
      throw overlapping('guest data', kind, cluster * clusterBytes);
    };
    for (const { kind, clusterIndex } of map.clusters()) refuse(kind, clusterIndex);
    for (const tree of trees) {
      for (const cluster of tree.tableClusters()) {
        refuse('L2 table', cluster);
        const kind = map.find(cluster, cluster + 1);
        if (kind === undefined || kind === 'L2 table') continue;
        throw overlapping('L2 table', kind, cluster * clusterBytes);
      }
    }
  }

  /**
   * Compares with the counts of now.
   * @throws DiskError `corrupt` where a count is too low, `limit` where one gets too high
   */
  *evaluate(): Step<void> {
    for (let { start, count } of this.#touchedRuns()) {
      while (count > 0) {
        const part = this.#refcounts.withinBlock({ start, count });
        if (yield* this.#evaluatePart(part)) this.#noteChange(part);
        start += part.count;
        count -= part.count;
      }
    }
  }

  #touchedRuns(): ClusterRun[] {
    const runs = [...this.raised.runs(), ...this.lowered.runs()];
    const byStart = new Map(runs.map((run) => [run.start, run]));
    return [...byStart.values()].toSorted((a, b) => a.start - b.start);
  }

  /** @param part clusters of one block. Returns whether the count of one changes. */
  *#evaluatePart(part: ClusterRun): Step<boolean> {
    const { start, count } = part;
    const { raised, lowered } = this.#deltas(part);
    let first = 0;
    while (first < count && raised[first] === 0 && lowered[first] === 0) first += 1;
    if (first === count) return false;
    const refcounts = this.#refcounts;
    const before = yield* refcounts.counts(part);
    let changes = false;
    for (let index = first; index < count; index++) {
      const up = raised[index]!;
      const down = lowered[index]!;
      if (up === 0 && down === 0) continue;
      if (before[index]! < up + down) throw refcounts.notInUse(start + index, before[index]);
      const after = before[index]! + up - down;
      if (after > refcounts.maxCount) throw refcounts.saturated(start + index);
      if (up !== down) changes = true;
      if (down > 0 && after <= 1) this.#noteFate(start + index, after);
    }
    return changes;
  }

  /** What is added to and taken off the counts of clusters. */
  #deltas({ start, count }: ClusterRun): { raised: Uint32Array; lowered: Uint32Array } {
    const raised = new Uint32Array(count);
    const lowered = new Uint32Array(count);
    this.raised.copyCounts(start, raised);
    this.lowered.copyCounts(start, lowered);
    return { raised, lowered };
  }

  #noteFate(cluster: number, after: number): void {
    if (after === 0) this.unused.add({ start: cluster, count: 1 });
    this.#fates.addRun(cluster, 1, after === 0 ? FATE.unused : FATE.single);
  }

  #isTouched(clusterIndex: number): boolean {
    return this.raised.get(clusterIndex) > 0 || this.lowered.get(clusterIndex) > 0;
  }

  #noteChange(part: ClusterRun): void {
    const index = this.#refcounts.blockIndexOf(part.start);
    const parts = this.#changedParts.get(index);
    if (parts === undefined) this.#changedParts.set(index, [part]);
    else parts.push(part);
  }

  /** Indexes of the refcount blocks that change, in order. */
  get blocks(): readonly number[] {
    return [...this.#changedParts.keys()];
  }

  /** What a block is to hold. */
  *changedBlock(index: number): Step<Uint8Array> {
    const bytes = yield* this.#refcounts.copyBlock(index);
    for (const part of this.#changedParts.get(index)!) {
      const { raised, lowered } = this.#deltas(part);
      this.#refcounts.adjust(bytes, part.start, raised, lowered);
    }
    return bytes;
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

  /** Whether any of these clusters may lose references: a quick first look. */
  isLowered(firstCluster: number, clusters: number): boolean {
    return !this.lowered.isBlank(firstCluster, firstCluster + clusters);
  }

  /** Whether the count of a cluster comes down to exactly one. */
  becomesSingle(clusterIndex: number): boolean {
    return this.#fates.get(clusterIndex) === FATE.single;
  }

  /** Whether the count of a cluster comes down to none. */
  becomesUnused(clusterIndex: number): boolean {
    return this.#fates.get(clusterIndex) === FATE.unused;
  }

  /** @throws DiskError `corrupt` when nothing would count what is in use */
  refuseUnused(clusterIndex: number): void {
    if (!this.becomesUnused(clusterIndex)) return;
    throw this.#refcounts.notInUse(clusterIndex, this.lowered.get(clusterIndex));
  }
}

function overlapping(what: string, kind: string, hostOffset: number): Error {
  return corrupt('qcow2.overlap', `The ${what} at ${hex(hostOffset)} lies where the ${kind} is`, {
    offset: hostOffset,
  });
}
