/**
 * Finds free host clusters and counts them as used. The search takes the first run that is long
 * enough, from where the last one ended. Refcount blocks are made as they are needed, at the next
 * free cluster; a refcount table that is full moves to the end, half as large again.
 */
import { DiskError, divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { HeaderWriter } from './header-writer.ts';
import type { MetadataMap } from './overlap.ts';
import type { ClusterRuns } from './refcounts/cluster-runs.ts';
import { FreedClusters } from './refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from './refcounts/refcounts.ts';

/** Offsets in L2 entries end at bit 55. */
const MAX_HOST_BYTES = Math.min(2 ** 56, Number.MAX_SAFE_INTEGER);
const TABLE_ENTRY_BYTES = 8;
/** What the read side accepts as well. */
const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
/** Room that a refcount table gets when it moves, as a factor. */
const TABLE_GROWTH = 1.5;

export class ClusterAllocator {
  readonly freed = new FreedClusters();
  readonly #refcounts: Refcounts;
  readonly #map: MetadataMap;
  readonly #header: HeaderWriter;
  /** Where the next search begins; no cluster before it is free, but for some left behind. */
  #next = 0;

  constructor(refcounts: Refcounts, map: MetadataMap, header: HeaderWriter) {
    this.#refcounts = refcounts;
    this.#map = map;
    this.#header = header;
  }

  /** Takes `count` neighbouring clusters. @returns the first */
  *allocate(count: number): Step<number> {
    for (;;) {
      const next = this.#next;
      const run = { start: yield* this.#findFree(count), count };
      const missing = this.#refcounts.firstWithoutBlock(run);
      if (missing === undefined) {
        yield* this.#refcounts.raise(run);
        return run.start;
      }
      yield* this.#addBlock(this.#refcounts.blockIndexOf(missing));
      // The block may have taken a cluster of the run, so the search is repeated.
      this.#next = next;
    }
  }

  /** Gives back clusters that no table ever named: they can be used again at once. */
  *release(run: ClusterRun): Step<void> {
    yield* this.#refcounts.lower(run);
    this.#next = Math.min(this.#next, run.start);
  }

  /** Lets searches begin no earlier than here. */
  skipTo(clusterIndex: number): void {
    this.#next = clusterIndex;
  }

  /**
   * Lowers the refcounts of what has been unlinked; no table in the file names it any longer. One
   * block at a time, so that a failure leaves nothing lowered twice.
   */
  *freeUnlinked(): Step<void> {
    const { freed } = this;
    for (let run = freed.firstUnlinked(); run !== undefined; run = freed.firstUnlinked()) {
      const part = this.#refcounts.withinBlock(run);
      yield* this.#refcounts.lower(part, (cluster) => freed.addFreed({ start: cluster, count: 1 }));
      freed.dropUnlinked(part.count);
    }
  }

  /** See {@link ImageWriter.reclaim}. @returns what can be used again */
  reclaim(): ClusterRuns {
    const runs = this.freed.reclaim();
    for (const { start } of runs) this.#next = Math.min(this.#next, start);
    return runs;
  }

  /** First of `count` free clusters in a row, the nearest from where the last search ended. */
  *#findFree(count: number): Step<number> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let found = 0;
    let at = this.#next;
    while (found < count) {
      const block = yield* this.#refcounts.load(this.#refcounts.blockIndexOf(at));
      for (let slot = at % clustersPerBlock; slot < clustersPerBlock && found < count; slot++) {
        const free = (block === undefined || block.isZero(slot)) && !this.freed.isHeld(at);
        found = free ? found + 1 : 0;
        at += 1;
      }
      if (at * clusterBytes > MAX_HOST_BYTES) throw tooLarge();
    }
    this.#next = at;
    const start = at - count;
    const kind = this.#map.find(start, at);
    if (kind !== undefined) yield* this.#header.refuseOverlap(kind, start * clusterBytes);
    return start;
  }

  /** Makes the refcount block of that index unless it is there. */
  *ensureBlock(index: number): Step<void> {
    if (!this.#refcounts.hasBlock(index)) yield* this.#addBlock(index);
  }

  /** Makes the refcount block of that index, and whatever is needed to count its own cluster. */
  *#addBlock(index: number): Step<void> {
    const refcounts = this.#refcounts;
    const cluster = yield* this.#findFree(1);
    const own = refcounts.blockIndexOf(cluster);
    if (Math.max(index, own) >= refcounts.table.capacity) {
      yield* this.#growTable(Math.max(index, own) + 1);
    }
    if (own !== index) {
      if (!refcounts.hasBlock(own)) yield* this.#addBlock(own);
      yield* refcounts.raise({ start: cluster, count: 1 });
    }
    this.#createBlock(index, cluster);
    if (own === index) yield* refcounts.raise({ start: cluster, count: 1 });
  }

  #createBlock(index: number, cluster: number): void {
    this.#refcounts.create(index, cluster * this.#refcounts.clusterBytes);
    this.#map.addCluster('refcount block', cluster);
  }

  /**
   * Moves the refcount table to behind all that it could count so far, beginning with the blocks
   * that count the new place itself.
   */
  *#growTable(startBlock: number): Step<void> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let blocks = divideUp(startBlock, clustersPerBlock);
    const tableClusters = () =>
      divideUp(Math.ceil((startBlock + blocks) * TABLE_GROWTH) * TABLE_ENTRY_BYTES, clusterBytes);
    while (blocks * clustersPerBlock < blocks + tableClusters()) blocks += 1;
    const start = startBlock * clustersPerBlock;
    yield* this.#moveTable(start + blocks, tableClusters());
    for (let block = 0; block < blocks; block++)
      this.#createBlock(startBlock + block, start + block);
    yield* this.#refcounts.raise({ start, count: blocks + tableClusters() });
    this.#next = start + blocks + tableClusters();
  }

  *#moveTable(cluster: number, clusters: number): Step<void> {
    const { table, clusterBytes } = this.#refcounts;
    if (clusters * clusterBytes > MAX_REFCOUNT_TABLE_BYTES) throw tooLarge();
    const old = {
      start: table.hostOffset / clusterBytes,
      count: table.bytes.length / clusterBytes,
    };
    const kind = this.#map.find(cluster, cluster + clusters);
    if (kind !== undefined) yield* this.#header.refuseOverlap(kind, cluster * clusterBytes);
    table.moveTo(cluster * clusterBytes, clusters * clusterBytes);
    this.#map.removeRegions('refcount table');
    this.#map.addRegion('refcount table', table.hostOffset, table.bytes.length);
    this.freed.unlink(old);
  }

  /**
   * Lays out a refcount table and the blocks for all that follows them at once: data clusters,
   * which are counted as used, and tables, which are not yet (`preallocation=falloc`).
   * @returns the first of the data clusters
   */
  *reserveArea(dataClusters: number, otherClusters: number): Step<number> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    const start = this.#next;
    let [blocks, tableClusters, covered] = [0, 1, 0];
    for (;;) {
      const end = start + blocks + tableClusters + dataClusters + otherClusters;
      covered = divideUp(end, clustersPerBlock);
      const missing = this.#countMissing(covered);
      const clusters = divideUp(covered * TABLE_ENTRY_BYTES, clusterBytes);
      if (missing === blocks && clusters === tableClusters) break;
      [blocks, tableClusters] = [missing, clusters];
    }
    yield* this.#moveTable(start + blocks, tableClusters);
    let cluster = start;
    for (let index = 0; index < covered; index++) {
      if (this.#refcounts.hasBlock(index)) continue;
      this.#createBlock(index, cluster);
      cluster += 1;
    }
    const dataStart = start + blocks + tableClusters;
    this.#next = dataStart + dataClusters;
    yield* this.#refcounts.raise({ start, count: this.#next - start });
    return dataStart;
  }

  #countMissing(blocks: number): number {
    let missing = 0;
    for (let index = 0; index < blocks; index++) if (!this.#refcounts.hasBlock(index)) missing += 1;
    return missing;
  }
}

function tooLarge(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.image-too-large',
    'The image has no room for more host clusters',
    { hint: 'Convert it to one with larger clusters.' },
  );
}
