/**
 * Finds free host clusters and counts them as used. The search takes the first run that is long
 * enough, from where the last one ended. Refcount blocks are made as they are needed, at the next
 * free cluster; a refcount table that is full moves to the end, half as large again.
 */
import { DiskError, divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { HeaderWriter } from '../header/header-writer.ts';
import type { MetadataMap } from '../tables/overlap.ts';
import { PackedSpace } from './packed-space.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { EndingUses } from '../refcounts/ending-uses.ts';
import { FreedClusters } from '../refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';

/** Offsets in L2 entries end at bit 55. */
const MAX_HOST_BYTES = Math.min(2 ** 56, Number.MAX_SAFE_INTEGER);
const TABLE_ENTRY_BYTES = 8;
/** What the read side accepts as well. */
const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
/** Room that a refcount table gets when it moves, as a factor. */
const TABLE_GROWTH = 1.5;

/** Clusters for much data at once: refcount blocks, the refcount table, and then the data. */
export interface Area extends ClusterRun {
  readonly blocks: number;
  readonly tableClusters: number;
  /** The first of the data clusters. */
  readonly dataStart: number;
  /** Blocks that the table counts up to, in place or new. */
  readonly covered: number;
}

/** What a cluster is taken for, where QEMU tells that before it looks at what lies there. */
export type ClusterUse = 'L2 table' | 'refcount block' | 'compressed cluster';

/** Brings a refcount block to the host as soon as it is made, where somebody watches. */
export interface BlockLinks {
  /** Comes before a block is made: writes out what QEMU writes out then. */
  linkTables(): Step<void>;
  /** Writes a new block, and then the entry that names it. */
  linkBlocks(): Step<void>;
}

export class ClusterAllocator {
  readonly freed = new FreedClusters();
  /** Free clusters of which the host may hold what a write that failed has put there. */
  readonly abandoned = new ClusterRuns();
  /** Takes less than a cluster at a time. */
  readonly packed: PackedSpace;
  /** Undefined where refcount blocks may wait for the next flush. */
  links: BlockLinks | undefined;
  /** Whether a search comes to what has been given up since the last one. */
  seesFreed = true;
  #reuse: (() => Step<boolean>) | undefined;
  readonly #refcounts: Refcounts;
  readonly #map: MetadataMap;
  readonly #header: HeaderWriter;
  /** Where the next search begins; no cluster before it is free, but for some left behind. */
  #next = 0;

  constructor(refcounts: Refcounts, map: MetadataMap, header: HeaderWriter) {
    this.packed = new PackedSpace(this, refcounts);
    this.#refcounts = refcounts;
    this.#map = map;
    this.#header = header;
  }

  /**
   * Uses what was given up as soon as a search meets it, as QEMU does.
   * @param reuse makes all of it free, where nobody reads it any more; false where that has to wait
   */
  reuseAtOnce(reuse: () => Step<boolean>): void {
    this.#reuse = reuse;
    this.freed.ending = new EndingUses();
    this.packed.goesOnInFree = true;
  }

  /** Takes `count` neighbouring clusters. @returns the first */
  *allocate(count: number, use?: ClusterUse): Step<number> {
    yield* this.#refcounts.announce('cluster_alloc');
    for (;;) {
      yield* this.#noteFreed(this.seesFreed);
      const next = this.#next;
      const run = { start: yield* this.#findFree(count, true), count };
      if (this.#awaitsFlush(run)) {
        this.#next = next;
        if (!(yield* this.#reuse!())) run.start = yield* this.#findFree(count);
        else continue;
      }
      if (yield* this.#count(run, use)) return run.start;
      // The block may have taken a cluster of the run, so the search is repeated.
      this.#next = next;
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
      for (const part of this.#byBlock(run)) {
        const index = refcounts.blockIndexOf(part.start);
        if (!refcounts.hasBlock(index)) {
          yield* refcounts.announce('refblock_alloc');
          yield* this.#addBlock(index);
          return false;
        }
        yield* this.#refuseMetadata(part, use);
        yield* refcounts.raise(part);
        counted.push(part);
      }
      isWhole = true;
      return true;
    } finally {
      if (!isWhole) for (const part of counted) yield* this.#uncount(part);
    }
  }

  /** Takes back what {@link #count} has done; what cannot be taken back now waits for the next flush. */
  *#uncount(run: ClusterRun): Step<void> {
    try {
      yield* this.#refcounts.lower(run);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.freed.unlink(run);
    }
  }

  /**
   * Takes the clusters from the start of `wanted` on that are free. A refcount block that has to be
   * made goes to the next free cluster, as with QEMU: among these, and fewer are left.
   * @returns how many
   */
  *allocateAt(wanted: ClusterRun): Step<number> {
    yield* this.#noteFreed(this.seesFreed);
    const next = this.#next;
    for (;;) {
      const run = { start: wanted.start, count: yield* this.#countFree(wanted, true) };
      if (this.#awaitsFlush(run)) {
        if (yield* this.#reuse!()) continue;
        run.count = yield* this.#countFree(wanted);
      }
      if (run.count === 0) return 0;
      this.packed.forget(run);
      const isCounted = yield* this.#count(run);
      this.#next = next;
      if (isCounted) return run.count;
    }
  }

  /** How many clusters from the start of a run on are free. */
  *#countFree({ start, count }: ClusterRun, withFreed = false): Step<number> {
    let free = 0;
    while (free < count && this.#mayTake(start + free, withFreed)) {
      const isCounted = (yield* this.#refcounts.get(start + free)) > 0;
      if (isCounted && !(withFreed && this.#isEnding(start + free))) break;
      free += 1;
    }
    return free;
  }

  /** Whether a cluster that is not counted can be used. */
  #mayTake(cluster: number, withFreed: boolean): boolean {
    return (withFreed && this.#reuse !== undefined) || !this.freed.isHeld(cluster);
  }

  /** Whether a cluster that is counted will not be for long. */
  #isEnding(cluster: number): boolean {
    return this.freed.ending?.has(cluster) === true;
  }

  /** Whether a flush has to come before these clusters are used. */
  #awaitsFlush(run: ClusterRun): boolean {
    if (this.#reuse === undefined || run.count === 0) return false;
    return this.freed.ending!.overlaps(run) || this.freed.holdsAny(run);
  }

  /** Lets the next search begin where QEMU's does: at the first cluster that has become free. */
  *#noteFreed(withNews: boolean): Step<void> {
    const { ending } = this.freed;
    if (ending === undefined) return;
    if (withNews) yield* this.#noteEnding(ending);
    this.#next = Math.min(this.#next, ending.takeLowest());
  }

  *#noteEnding(ending: EndingUses): Step<void> {
    for (const run of ending.takeNews()) {
      for (const part of this.#byBlock(run)) {
        try {
          const counts = yield* this.#refcounts.counts(part);
          for (const [index, count] of counts.entries()) ending.end(part.start + index, count);
        } catch (error) {
          // Nobody will count them down either.
          if (!(error instanceof DiskError)) throw error;
        }
      }
    }
  }

  /** Gives up a refcount table that has moved: a search that is under way comes to it already. */
  *#unlinkTable(run: ClusterRun): Step<void> {
    const { ending } = this.freed;
    const others = ending?.takeNews() ?? [];
    this.freed.unlink(run);
    if (ending === undefined) return;
    yield* this.#noteEnding(ending);
    for (const other of others) ending.add(other);
  }

  /** Gives back clusters that no table ever named: they can be used again at once. */
  *release(run: ClusterRun): Step<void> {
    yield* this.#refcounts.lower(run);
    this.#next = Math.min(this.#next, run.start);
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
    for (const part of this.#byBlock(run)) {
      try {
        yield* this.release(part);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.freed.unlink(part);
      }
    }
  }

  /** Refuses to change tables of which one lies in the place of another. */
  *refuseConflict(): Step<void> {
    const { conflict } = this.#map;
    if (conflict === undefined) return;
    yield* this.#header.refuseOverlap(conflict.kind, conflict.hostOffset);
  }

  /** Lets searches begin no earlier than here. */
  skipTo(clusterIndex: number): void {
    this.#next = clusterIndex;
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
    yield* this.#noteFreed(true);
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
    if (this.#reuse === undefined) this.#next = Math.min(this.#next, from);
    return runs;
  }

  /**
   * First of `count` free clusters in a row, the nearest from where the last search ended.
   * @param withFreed whether those count that are free after a flush, where they are used at once
   */
  *#findFree(count: number, withFreed = false): Step<number> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let found = 0;
    let at = this.#next;
    while (found < count) {
      const block = yield* this.#refcounts.load(this.#refcounts.blockIndexOf(at));
      const rest = clustersPerBlock - (at % clustersPerBlock);
      const end = at + rest;
      const canTakeAll =
        (withFreed && this.#reuse !== undefined) ||
        !this.freed.holdsAny({ start: at, count: rest });
      if (block === undefined && canTakeAll) {
        const taken = Math.min(rest, count - found);
        found += taken;
        at += taken;
      }
      for (; at < end && found < count; at++) {
        const free = block === undefined || block.isZero(at % clustersPerBlock);
        const isUsable = free ? this.#mayTake(at, withFreed) : withFreed && this.#isEnding(at);
        found = isUsable ? found + 1 : 0;
      }
      if (at * clusterBytes > MAX_HOST_BYTES) throw tooLarge();
    }
    this.#next = at;
    const start = at - count;
    this.packed.forget({ start, count });
    return start;
  }

  /** Refuses clusters that hold metadata, although they count as free. */
  *#refuseMetadata({ start, count }: ClusterRun, use?: ClusterUse): Step<void> {
    yield* this.refuseConflict();
    if (start === 0) yield* this.#header.refuseHeaderCluster(use);
    const kind = this.#map.findGuarded(start, start + count);
    if (kind === undefined) return;
    yield* this.#header.refuseOverlap(kind, start * this.#refcounts.clusterBytes);
  }

  /** Makes the refcount block of that index unless it is there. */
  *ensureBlock(index: number): Step<void> {
    while (!this.#refcounts.hasBlock(index)) yield* this.#addBlock(index);
  }

  /** Makes the refcount block of that index, or first the one that counts its own cluster. */
  *#addBlock(index: number): Step<void> {
    const refcounts = this.#refcounts;
    if (this.links !== undefined) yield* this.links.linkTables();
    const cluster = yield* this.#findFree(1);
    yield* this.#refuseMetadata({ start: cluster, count: 1 }, 'refcount block');
    const own = refcounts.blockIndexOf(cluster);
    if (own !== index) {
      if (!refcounts.hasBlock(own)) return yield* this.#addBlock(own);
      yield* refcounts.raise({ start: cluster, count: 1 });
    }
    if (index >= refcounts.table.capacity) {
      try {
        yield* this.#growTable(index + 1);
      } catch (error) {
        if (own !== index) yield* this.#uncount({ start: cluster, count: 1 });
        throw error;
      }
    }
    this.#createBlock(index, cluster);
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
    yield* this.#refcounts.announce('reftable_grow');
    const start = startBlock * clustersPerBlock;
    const allBlocks = this.#blocksBehind(start);
    const blocks = allBlocks - startBlock;
    const tableBytes = Math.ceil(allBlocks * TABLE_GROWTH) * TABLE_ENTRY_BYTES;
    const tableClusters = divideUp(tableBytes, clusterBytes);
    yield* this.#unlinkTable(yield* this.#moveTable(start + blocks, tableClusters));
    for (let block = 0; block < blocks; block++)
      this.#createBlock(startBlock + block, start + block);
    yield* this.#refcounts.raise({ start, count: blocks + tableClusters });
    this.#next = start + blocks + tableClusters;
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
  *#moveTable(cluster: number, clusters: number): Step<ClusterRun> {
    const { table, clusterBytes } = this.#refcounts;
    if (clusters * clusterBytes > MAX_REFCOUNT_TABLE_BYTES) throw tooLarge();
    const old = {
      start: table.hostOffset / clusterBytes,
      count: table.bytes.length / clusterBytes,
    };
    yield* this.#refuseMetadata({ start: cluster, count: clusters });
    table.moveTo(cluster * clusterBytes, clusters * clusterBytes);
    this.#map.removeRegions('refcount table');
    this.#map.addRegion('refcount table', table.hostOffset, table.bytes.length);
    return old;
  }

  /** Finds neighbouring free clusters and takes none of them. @returns the first */
  *findUnused(count: number): Step<number> {
    const searchedFrom = this.#next;
    try {
      const start = yield* this.#findFree(count);
      yield* this.#refuseMetadata({ start, count });
      return start;
    } finally {
      this.#next = searchedFrom;
    }
  }

  /**
   * Finds a place for much data at once (`preallocation=falloc`), with a refcount table and the
   * blocks for all that follows: data clusters, and tables that are not placed yet. Nothing is taken;
   * the search for other clusters goes on as if the place were not there.
   * @param from cluster from which on to look
   */
  *findArea(dataClusters: number, otherClusters: number, from: number): Step<Area> {
    const searchedFrom = this.#next;
    try {
      let area = this.#planArea(dataClusters, otherClusters, from);
      for (;;) {
        this.#next = area.start;
        const start = yield* this.#findFree(area.count);
        if (start === area.start) {
          yield* this.#refuseMetadata(area);
          return area;
        }
        area = this.#planArea(dataClusters, otherClusters, start);
      }
    } finally {
      this.#next = searchedFrom;
    }
  }

  /**
   * Counts the data clusters of an area as used, and begins to use its refcount structures.
   * @returns where the refcount table was, which is free once the header names the new one
   */
  *takeArea(area: Area): Step<ClusterRun> {
    const parts = [...this.#byBlock(area)];
    const isNew = parts.map((part) => this.#refcounts.firstWithoutBlock(part) !== undefined);
    // First what has to be read, so that nothing fails once the table has moved.
    yield* this.#raiseAll(parts.filter((_, index) => !isNew[index]));
    const { start, blocks, tableClusters, covered } = area;
    const oldTable = yield* this.#moveTable(start + blocks, tableClusters);
    let cluster = start;
    for (let index = 0; index < covered; index++) {
      if (this.#refcounts.hasBlock(index)) continue;
      this.#createBlock(index, cluster);
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
        for (const done of parts.slice(0, index)) this.freed.unlink(done);
        throw error;
      }
    }
  }

  /** The parts of a run that one refcount block counts each. */
  *#byBlock({ start, count }: ClusterRun): Generator<ClusterRun> {
    const end = start + count;
    for (let at = start; at < end;) {
      const part = this.#refcounts.withinBlock({ start: at, count: end - at });
      yield part;
      at += part.count;
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

function tooLarge(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.image-too-large',
    'The image has no room for more host clusters',
    { hint: 'Convert it to one with larger clusters.' },
  );
}
