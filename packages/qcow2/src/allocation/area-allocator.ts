/** Places for much data at once, with all the refcount structures that it takes. */
import { divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { byBlock } from '../refcounts/by-block.ts';
import type { FreedClusters } from '../refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';
import type { FreeSearch } from './free-search.ts';
import type { MetadataGuard } from './metadata-guard.ts';
import {
  MAX_REFCOUNT_TABLE_BYTES,
  type RefcountGrowth,
  TABLE_ENTRY_BYTES,
} from './refcount-growth.ts';
import { tooLarge } from './too-large.ts';

/** Clusters for much data at once: refcount blocks, the refcount table, and then the data. */
export interface Area extends ClusterRun {
  readonly blocks: number;
  readonly tableClusters: number;
  /** The first of the data clusters. */
  readonly dataStart: number;
  /** Blocks that the table counts up to, in place or new. */
  readonly covered: number;
}

interface AreaParts {
  readonly refcounts: Refcounts;
  readonly freed: FreedClusters;
  readonly search: FreeSearch;
  readonly guard: MetadataGuard;
  readonly growth: RefcountGrowth;
}

export class AreaAllocator {
  readonly #refcounts: Refcounts;
  readonly #freed: FreedClusters;
  readonly #search: FreeSearch;
  readonly #guard: MetadataGuard;
  readonly #growth: RefcountGrowth;

  constructor({ refcounts, freed, search, guard, growth }: AreaParts) {
    this.#refcounts = refcounts;
    this.#freed = freed;
    this.#search = search;
    this.#guard = guard;
    this.#growth = growth;
  }

  /**
   * Finds a place for much data at once (`preallocation=falloc`), with a refcount table and the
   * blocks for all that follows: data clusters, and tables that are not placed yet. Nothing is taken;
   * the search for other clusters goes on as if the place were not there.
   * @param from cluster from which on to look
   */
  *find(dataClusters: number, otherClusters: number, from: number): Step<Area> {
    const searchedFrom = this.#search.next;
    try {
      let area = this.#planArea(dataClusters, otherClusters, from);
      for (;;) {
        this.#search.next = area.start;
        const start = yield* this.#search.find(area.count);
        if (start === area.start) {
          yield* this.#guard.refuse(area);
          return area;
        }
        area = this.#planArea(dataClusters, otherClusters, start);
      }
    } finally {
      this.#search.next = searchedFrom;
    }
  }

  /**
   * Counts the data clusters of an area as used, and begins to use its refcount structures.
   * @returns where the refcount table was, which is free once the header names the new one
   */
  *take(area: Area): Step<ClusterRun> {
    const parts = [...byBlock(this.#refcounts, area)];
    const isNew = parts.map((part) => this.#refcounts.firstWithoutBlock(part) !== undefined);
    // First what has to be read, so that nothing fails once the table has moved.
    yield* this.#raiseAll(parts.filter((_, index) => !isNew[index]));
    const { start, blocks, tableClusters, covered } = area;
    const oldTable = yield* this.#growth.moveTable(start + blocks, tableClusters);
    let cluster = start;
    for (let index = 0; index < covered; index++) {
      if (this.#refcounts.hasBlock(index)) continue;
      this.#growth.createBlock(index, cluster);
      cluster += 1;
    }
    yield* this.#raiseAll(parts.filter((_, index) => isNew[index]));
    return oldTable;
  }

  /** Counts all of the parts, or none. */
  *#raiseAll(parts: readonly ClusterRun[]): Step<void> {
    for (const [index, part] of parts.entries()) {
      try {
        yield* this.#refcounts.raise(part);
      } catch (error) {
        for (const done of parts.slice(0, index)) this.#freed.unlink(done);
        throw error;
      }
    }
  }

  #planArea(dataClusters: number, otherClusters: number, start: number): Area {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let [blocks, tableClusters] = [0, 1];
    for (;;) {
      const end = start + blocks + tableClusters + dataClusters + otherClusters;
      const covered = Math.max(divideUp(end, clustersPerBlock), this.#blocksEnd());
      const missing = this.#countMissing(covered);
      const clusters = divideUp(covered * TABLE_ENTRY_BYTES, clusterBytes);
      if (clusters * clusterBytes > MAX_REFCOUNT_TABLE_BYTES) throw tooLarge();
      if (missing === blocks && clusters === tableClusters) {
        const dataStart = start + blocks + tableClusters;
        const count = blocks + tableClusters + dataClusters;
        return { start, count, blocks, tableClusters, dataStart, covered };
      }
      [blocks, tableClusters] = [missing, clusters];
    }
  }

  /** Behind the last refcount block that there is. */
  #blocksEnd(): number {
    let end = this.#refcounts.table.capacity;
    while (end > 0 && !this.#refcounts.hasBlock(end - 1)) end -= 1;
    return end;
  }

  #countMissing(blocks: number): number {
    let missing = 0;
    for (let index = 0; index < blocks; index++) if (!this.#refcounts.hasBlock(index)) missing += 1;
    return missing;
  }
}
