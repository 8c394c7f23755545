/**
 * Refcount blocks and tables as they are needed. A block goes to the next free cluster; a table that
 * is full moves to the end, half as large again.
 */
import { DiskError, divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { FreedClusters } from '../refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';
import type { MetadataMap } from '../tables/overlap.ts';
import type { FreeSearch } from './free-search.ts';
import type { MetadataGuard } from './metadata-guard.ts';
import { tooLarge } from './too-large.ts';

export const TABLE_ENTRY_BYTES = 8;
/** What the read side accepts as well. */
export const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
/** Room that a refcount table gets when it moves, as a factor. */
const TABLE_GROWTH = 1.5;

/** Brings a refcount block to the host as soon as it is made, where somebody watches. */
export interface BlockLinks {
  /** Comes before a block is made: writes out what QEMU writes out then. */
  linkTables(): Step<void>;
  /** Writes a new block, and then the entry that names it. */
  linkBlocks(): Step<void>;
}

interface GrowthParts {
  readonly refcounts: Refcounts;
  readonly map: MetadataMap;
  readonly freed: FreedClusters;
  readonly search: FreeSearch;
  readonly guard: MetadataGuard;
}

export class RefcountGrowth {
  /** Undefined where refcount blocks may wait for the next flush. */
  links: BlockLinks | undefined;
  readonly #refcounts: Refcounts;
  readonly #map: MetadataMap;
  readonly #freed: FreedClusters;
  readonly #search: FreeSearch;
  readonly #guard: MetadataGuard;

  constructor({ refcounts, map, freed, search, guard }: GrowthParts) {
    this.#refcounts = refcounts;
    this.#map = map;
    this.#freed = freed;
    this.#search = search;
    this.#guard = guard;
  }

  /** Makes the refcount block of that index unless it is there. */
  *ensureBlock(index: number): Step<void> {
    while (!this.#refcounts.hasBlock(index)) yield* this.addBlock(index);
  }

  /** Makes the refcount block of that index, or first the one that counts its own cluster. */
  *addBlock(index: number): Step<void> {
    const refcounts = this.#refcounts;
    if (this.links !== undefined) yield* this.links.linkTables();
    const cluster = yield* this.#search.find(1);
    yield* this.#guard.refuse({ start: cluster, count: 1 }, 'refcount block');
    const own = refcounts.blockIndexOf(cluster);
    if (own !== index) {
      if (!refcounts.hasBlock(own)) return yield* this.addBlock(own);
      yield* refcounts.raise({ start: cluster, count: 1 });
    }
    if (index >= refcounts.table.capacity) {
      try {
        yield* this.#growTable(index + 1);
      } catch (error) {
        if (own !== index) yield* this.uncount({ start: cluster, count: 1 });
        throw error;
      }
    }
    this.createBlock(index, cluster);
    if (own === index) yield* refcounts.raiseUntold({ start: cluster, count: 1 });
    yield* this.#linkBlock(index, cluster);
  }

  /** A failure leaves a block that memory knows nothing of, though the host may. */
  *#linkBlock(index: number, cluster: number): Step<void> {
    if (this.links === undefined) return;
    try {
      yield* this.links.linkBlocks();
    } catch (error) {
      this.#refcounts.remove(index);
      this.#map.removeCluster(cluster);
      throw error;
    }
  }

  /** A block for counts in a cluster that nobody uses. */
  createBlock(index: number, cluster: number): void {
    this.#refcounts.create(index, cluster * this.#refcounts.clusterBytes);
    this.#map.addCluster('refcount block', cluster);
  }

  /**
   * Moves the refcount table to behind all that it could count so far, beginning with the blocks
   * that count the new place itself.
   */
  *#growTable(startBlock: number): Step<void> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    yield* this.#refcounts.announce('reftable_grow');
    const start = startBlock * clustersPerBlock;
    const allBlocks = this.#blocksBehind(start);
    const blocks = allBlocks - startBlock;
    const tableBytes = Math.ceil(allBlocks * TABLE_GROWTH) * TABLE_ENTRY_BYTES;
    const tableClusters = divideUp(tableBytes, clusterBytes);
    yield* this.#unlinkTable(yield* this.moveTable(start + blocks, tableClusters));
    for (let block = 0; block < blocks; block++)
      this.createBlock(startBlock + block, start + block);
    yield* this.#refcounts.raise({ start, count: blocks + tableClusters });
    this.#search.next = start + blocks + tableClusters;
  }

  /**
   * How many blocks QEMU has then: as many as count all clusters before `start` and, as if they
   * followed, all blocks, the table that names them and half of that once more.
   */
  #blocksBehind(start: number): number {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let [blocks, table] = [0, 0];
    const fit = (clusters: number): void => {
      for (let counted = 0; counted < clusters + blocks + table;) {
        counted = clusters + blocks + table;
        blocks = divideUp(counted, clustersPerBlock);
        table = divideUp(blocks * TABLE_ENTRY_BYTES, clusterBytes);
      }
    };
    fit(start);
    fit(start + divideUp(table, 2));
    return blocks;
  }

  /** @returns where the table was, which is free once the header names the new place */
  *moveTable(cluster: number, clusters: number): Step<ClusterRun> {
    const { table, clusterBytes } = this.#refcounts;
    if (clusters * clusterBytes > MAX_REFCOUNT_TABLE_BYTES) throw tooLarge();
    const old = {
      start: table.hostOffset / clusterBytes,
      count: table.bytes.length / clusterBytes,
    };
    yield* this.#guard.refuse({ start: cluster, count: clusters });
    table.moveTo(cluster * clusterBytes, clusters * clusterBytes);
    this.#map.removeRegions('refcount table');
    this.#map.addRegion('refcount table', table.hostOffset, table.bytes.length);
    return old;
  }

  /** Counts a run down again that was not used; what cannot be counted now waits for the next flush. */
  *uncount(run: ClusterRun): Step<void> {
    try {
      yield* this.#refcounts.lower(run);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#freed.unlink(run);
    }
  }

  /** Gives up a refcount table that has moved: a search that is under way comes to it already. */
  *#unlinkTable(run: ClusterRun): Step<void> {
    const { ending } = this.#freed;
    const others = ending?.takeNews() ?? [];
    this.#freed.unlink(run);
    if (ending === undefined) return;
    yield* this.#search.noteEnding(ending);
    for (const other of others) ending.add(other);
  }
}
