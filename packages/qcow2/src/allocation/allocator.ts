/** Finds free host clusters and counts them as used, and takes back those that are given up. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { HeaderWriter } from '../header/header-writer.ts';
import { byBlock } from '../refcounts/by-block.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { EndingUses } from '../refcounts/ending-uses.ts';
import { FreedClusters } from '../refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';
import type { MetadataMap } from '../tables/overlap.ts';
import { AreaAllocator } from './area-allocator.ts';
import { FreeSearch } from './free-search.ts';
import { type ClusterUse, MetadataGuard } from './metadata-guard.ts';
import { PackedSpace } from './packed-space.ts';
import { RefcountGrowth } from './refcount-growth.ts';

export class ClusterAllocator {
  readonly freed = new FreedClusters();
  /** Free clusters of which the host may hold what a write that failed has put there. */
  readonly abandoned = new ClusterRuns();
  /** Takes less than a cluster at a time. */
  readonly packed: PackedSpace;
  /** Takes much at a time. */
  readonly areas: AreaAllocator;
  /** Makes what counts the clusters. */
  readonly growth: RefcountGrowth;
  /** Keeps all of it off what there is. */
  readonly guard: MetadataGuard;
  /** Whether a search comes to what has been given up since the last one. */
  seesFreed = true;
  #reuse: (() => Step<boolean>) | undefined;
  readonly #refcounts: Refcounts;
  readonly #search: FreeSearch;

  constructor(refcounts: Refcounts, map: MetadataMap, header: HeaderWriter) {
    const { freed } = this;
    this.packed = new PackedSpace(this, refcounts);
    const search = new FreeSearch(refcounts, freed, this.packed);
    const guard = new MetadataGuard(map, header, refcounts.clusterBytes);
    this.growth = new RefcountGrowth({ refcounts, map, freed, search, guard });
    this.areas = new AreaAllocator({ refcounts, freed, search, guard, growth: this.growth });
    this.guard = guard;
    this.#refcounts = refcounts;
    this.#search = search;
  }

  /**
   * Uses what was given up as soon as a search meets it, as QEMU does.
   * @param reuse makes all of it free, where nobody reads it any more; false where that has to wait
   */
  reuseAtOnce(reuse: () => Step<boolean>): void {
    this.#reuse = reuse;
    this.#search.countsFreed = true;
    this.freed.ending = new EndingUses();
    this.packed.goesOnInFree = true;
  }

  /** Takes `count` neighbouring clusters. @returns the first */
  *allocate(count: number, use?: ClusterUse): Step<number> {
    yield* this.#refcounts.announce('cluster_alloc');
    for (;;) {
      yield* this.#search.noteFreed(this.seesFreed);
      const next = this.#search.next;
      const run = { start: yield* this.#search.find(count, true), count };
      if (this.#search.awaitsFlush(run)) {
        this.#search.next = next;
        if (!(yield* this.#reuse!())) run.start = yield* this.#search.find(count);
        else continue;
      }
      if (yield* this.#count(run, use)) return run.start;
      // The block may have taken a cluster of the run, so the search is repeated.
      this.#search.next = next;
    }
  }

  /**
   * Counts free clusters as used, block by block, as QEMU does it.
   * @returns false where a refcount block had to be made, and nothing is counted
   */
  *#count(run: ClusterRun, use?: ClusterUse): Step<boolean> {
    const refcounts = this.#refcounts;
    const counted: ClusterRun[] = [];
    let isWhole = false;
    try {
      for (const part of byBlock(this.#refcounts, run)) {
        const index = refcounts.blockIndexOf(part.start);
        if (!refcounts.hasBlock(index)) {
          yield* refcounts.announce('refblock_alloc');
          yield* this.growth.addBlock(index);
          return false;
        }
        yield* this.guard.refuse(part, use);
        yield* refcounts.raise(part);
        counted.push(part);
      }
      isWhole = true;
      return true;
    } finally {
      if (!isWhole) for (const part of counted) yield* this.growth.uncount(part);
    }
  }

  /**
   * Takes the clusters from the start of `wanted` on that are free. A refcount block that has to be
   * made goes to the next free cluster, as with QEMU: among these, and fewer are left.
   * @returns how many
   */
  *allocateAt(wanted: ClusterRun): Step<number> {
    yield* this.#search.noteFreed(this.seesFreed);
    const next = this.#search.next;
    for (;;) {
      const run = { start: wanted.start, count: yield* this.#search.countFree(wanted, true) };
      if (this.#search.awaitsFlush(run)) {
        if (yield* this.#reuse!()) continue;
        run.count = yield* this.#search.countFree(wanted);
      }
      if (run.count === 0) return 0;
      this.packed.forget(run);
      const isCounted = yield* this.#count(run);
      this.#search.next = next;
      if (isCounted) return run.count;
    }
  }

  /** Gives back clusters that no table ever named: they can be used again at once. */
  *release(run: ClusterRun): Step<void> {
    yield* this.#refcounts.lower(run);
    this.#search.next = Math.min(this.#search.next, run.start);
  }

  /** As {@link release}, after a write to them that has failed: the host may be full of it. */
  *abandon(run: ClusterRun): Step<void> {
    yield* this.release(run);
    this.abandoned.add(run);
  }

  /**
   * Gives back clusters that the file named before and does not any longer, and that no read of the
   * guest looks at. Those whose refcount cannot be brought in now wait for the next flush.
   */
  *retire(run: ClusterRun): Step<void> {
    yield* this.#refcounts.announce('cluster_free');
    for (const part of byBlock(this.#refcounts, run)) {
      try {
        yield* this.release(part);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.freed.unlink(part);
      }
    }
  }

  /** Lets searches begin no earlier than here. */
  skipTo(clusterIndex: number): void {
    this.#search.next = clusterIndex;
  }

  /**
   * Tells of clusters that tables are about to name no longer, where somebody wants to be told.
   * QEMU changes their counts at once, and goes on where the host does not let it: they are leaked.
   * @returns those that are not
   */
  *tellFreed(runs: readonly ClusterRun[]): Step<readonly ClusterRun[]> {
    const { events } = this.#refcounts;
    if (events === undefined) return runs;
    const countable: ClusterRun[] = [];
    for (const run of runs) {
      try {
        yield* this.#refcounts.announce('cluster_free');
        yield* this.#refcounts.bringIn(run.start);
        countable.push(run);
      } catch (error) {
        if (!(error instanceof DiskError) || error.code === 'corrupt') throw error;
        events.leaked(error);
      }
    }
    return countable;
  }

  /**
   * Lowers the refcounts of what has been unlinked; no table in the file names it any longer. One
   * block at a time, so that a failure leaves nothing lowered twice.
   */
  *freeUnlinked(): Step<void> {
    const { freed } = this;
    yield* this.#search.noteFreed(true);
    for (let run = freed.firstUnlinked(); run !== undefined; run = freed.firstUnlinked()) {
      const part = this.#refcounts.withinBlock(run);
      yield* this.#refcounts.lower(part, (cluster) =>
        freed.addCountedDown({ start: cluster, count: 1 }),
      );
      freed.dropUnlinked(part.count);
    }
  }

  /** See {@link ImageWriter.reclaim}. @returns what can be used again */
  reclaim(): ClusterRuns {
    const { runs, from } = this.freed.reclaim();
    if (this.#reuse === undefined) this.#search.next = Math.min(this.#search.next, from);
    return runs;
  }

  /** Finds neighbouring free clusters and takes none of them. @returns the first */
  *findUnused(count: number): Step<number> {
    const searchedFrom = this.#search.next;
    try {
      const start = yield* this.#search.find(count);
      yield* this.guard.refuse({ start, count });
      return start;
    } finally {
      this.#search.next = searchedFrom;
    }
  }
}
