/** The refcounts of all host clusters: blocks in memory, read as they are needed. */
import { DiskError } from '@diskfile/bytes';
import {
  announce,
  readBytes,
  type Step,
  type Storage,
  type StorageEvent,
  type StorageEvents,
} from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { RefcountBlock } from './refcount-block.ts';
import type { RefcountTable } from './refcount-table.ts';
import { type RefcountWidth, refcountWidth } from './refcount-width.ts';

/** Fewest blocks that are kept, however small the bound on memory. */
const MIN_BLOCKS = 4;

/** Counts of a block that are looked at together; in most of them, a block has none to change. */
const RECOUNT_SLOTS = 16_384;

/** A run of host clusters. */
export interface ClusterRun {
  readonly start: number;
  readonly count: number;
}

/** How often clusters are referred to. */
export interface CountedReferences {
  /** True only when no cluster from `start` to before `end` is referred to: a quick first look. */
  isBlank(start: number, end: number): boolean;
  get(clusterIndex: number): number;
}

export interface RefcountGeometry {
  readonly clusterBytes: number;
  readonly refcountBits: number;
}

export class Refcounts {
  readonly table: RefcountTable;
  readonly clusterBytes: number;
  readonly #storage: Storage;
  #width: RefcountWidth;
  #clustersPerBlock: number;
  readonly #maxBlocks: number;
  /** Least recently used first. */
  readonly #blocks = new Map<number, RefcountBlock>();
  #last: RefcountBlock | undefined;
  #dirtyCount = 0;

  constructor(
    storage: Storage,
    table: RefcountTable,
    { clusterBytes, refcountBits }: RefcountGeometry,
    cacheBytes: number,
  ) {
    this.#storage = storage;
    this.table = table;
    this.clusterBytes = clusterBytes;
    this.#clustersPerBlock = (clusterBytes * 8) / refcountBits;
    this.#width = refcountWidth(refcountBits);
    this.#maxBlocks = Math.max(MIN_BLOCKS, Math.floor(cacheBytes / clusterBytes));
  }

  /** Tells the storage of a moment in the search for space. */
  announce(event: StorageEvent): Step<void> {
    return announce(this.#storage, event);
  }

  get clustersPerBlock(): number {
    return this.#clustersPerBlock;
  }

  blockIndexOf(clusterIndex: number): number {
    return Math.floor(clusterIndex / this.clustersPerBlock);
  }

  hasBlock(index: number): boolean {
    return this.table.blockOffset(index, this.clusterBytes) !== 0;
  }

  /** The block of that index; undefined where there is none. */
  *load(index: number): Step<RefcountBlock | undefined> {
    if (this.#last?.index === index) return this.#last;
    const present = this.#blocks.get(index);
    if (present !== undefined) {
      this.#blocks.delete(index);
      this.#blocks.set(index, present);
      this.#last = present;
      return present;
    }
    const hostOffset = this.table.blockOffset(index, this.clusterBytes);
    if (hostOffset === 0) return undefined;
    const bytes = yield* readBytes(this.#storage, hostOffset, this.clusterBytes);
    return this.#keep(this.#makeBlock(index, hostOffset, bytes));
  }

  /** A new block of zeros; nothing is counted in it yet, and the table names it from now on. */
  create(index: number, hostOffset: number): RefcountBlock {
    const bytes = new Uint8Array(this.clusterBytes);
    const block = this.#makeBlock(index, hostOffset, bytes);
    block.markAllDirty();
    this.table.setBlockOffset(index, hostOffset);
    return this.#keep(block);
  }

  /** Takes a block out of the table. Nothing that it counts is in use. */
  remove(index: number): void {
    const block = this.#blocks.get(index);
    if (block !== undefined && !block.dirty.isEmpty) this.markClean([block]);
    this.#blocks.delete(index);
    if (this.#last?.index === index) this.#last = undefined;
    this.table.setBlockOffset(index, 0);
  }

  #makeBlock(index: number, hostOffset: number, bytes: Uint8Array): RefcountBlock {
    return new RefcountBlock(index, hostOffset, bytes, this.#width, () => (this.#dirtyCount += 1));
  }

  #keep(block: RefcountBlock): RefcountBlock {
    for (const [index, old] of this.#blocks) {
      if (this.#blocks.size < this.#maxBlocks) break;
      if (old.dirty.isEmpty) this.#blocks.delete(index);
    }
    this.#blocks.set(block.index, block);
    this.#last = block;
    return block;
  }

  /** Forgets all blocks, with what of them the file does not have. */
  forget(): void {
    this.#blocks.clear();
    this.#last = undefined;
    this.#dirtyCount = 0;
  }

  /**
   * Goes on with other blocks: those that `bytes`, the refcount table at `hostOffset`, names. The
   * file has them and all changes of before.
   */
  replaceTable(hostOffset: number, bytes: Uint8Array): void {
    if (this.#dirtyCount > 0) throw new Error('assertion failed: refcounts that are not written');
    this.forget();
    this.table.replace(hostOffset, bytes);
  }

  /** As {@link replaceTable}, with blocks in which counts have another width. */
  convert(hostOffset: number, bytes: Uint8Array, refcountBits: number): void {
    this.replaceTable(hostOffset, bytes);
    this.#width = refcountWidth(refcountBits);
    this.#clustersPerBlock = (this.clusterBytes * 8) / refcountBits;
  }

  /** A copy of the content of a block that is there. */
  *copyBlock(index: number): Step<Uint8Array> {
    const block = yield* this.load(index);
    if (block === undefined) throw new Error('assertion failed: a refcount block is gone');
    return block.bytes.slice();
  }

  /**
   * Changes counts in the content of a block; none leaves its bounds.
   * @param firstCluster the one that the first element of both lists is about
   */
  adjust(block: Uint8Array, firstCluster: number, raised: Uint32Array, lowered: Uint32Array): void {
    const firstSlot = firstCluster % this.clustersPerBlock;
    const width = this.#width;
    for (let index = 0; index < raised.length; index++) {
      const change = raised[index]! - lowered[index]!;
      if (change === 0) continue;
      width.set(block, firstSlot + index, width.get(block, firstSlot + index) + change);
    }
  }

  /** Counts of clusters that all belong to one block. */
  *counts({ start, count }: ClusterRun): Step<Float64Array> {
    const counts = new Float64Array(count);
    const block = yield* this.load(this.blockIndexOf(start));
    if (block === undefined) return counts;
    const firstSlot = start % this.clustersPerBlock;
    for (let index = 0; index < count; index++) counts[index] = block.get(firstSlot + index);
    return counts;
  }

  *get(clusterIndex: number): Step<number> {
    const block = yield* this.load(this.blockIndexOf(clusterIndex));
    return block === undefined ? 0 : block.get(clusterIndex % this.clustersPerBlock);
  }

  /** First cluster of a run whose refcount block does not exist; undefined when all do. */
  firstWithoutBlock({ start, count }: ClusterRun): number | undefined {
    for (let index = this.blockIndexOf(start); index <= this.blockIndexOf(start + count - 1);) {
      if (!this.hasBlock(index)) return Math.max(start, index * this.clustersPerBlock);
      index += 1;
    }
    return undefined;
  }

  /**
   * Adds one to the count of each cluster; their blocks exist.
   * @throws DiskError `limit` when a count is at its largest; none has changed then
   */
  *raise(run: ClusterRun): Step<void> {
    yield* this.#announceLoads(run);
    yield* this.raiseUntold(run);
  }

  /** As {@link raise}, of a block that counts itself: nobody is told of looking for it. */
  *raiseUntold(run: ClusterRun): Step<void> {
    yield* this.#visit(run, (block, slot) => {
      if (block.get(slot) >= this.#width.max) throw this.saturated(this.#clusterAt(block, slot));
    });
    yield* this.#visit(run, (block, slot) => block.set(slot, block.get(slot) + 1));
  }

  /**
   * Takes one off the count of each cluster that has one left.
   * @param onUnused called for each whose count comes down to 0
   */
  *lower(run: ClusterRun, onUnused?: (clusterIndex: number) => void): Step<void> {
    yield* this.#visit(run, (block, slot) => {
      const count = block.get(slot);
      if (count > 0) block.set(slot, count - 1);
      if (count === 1) onUnused?.(this.#clusterAt(block, slot));
    });
  }

  /**
   * Sets the count of each cluster; their blocks exist.
   * @throws DiskError `limit` for a count that does not fit
   */
  *assign(run: ClusterRun, countOf: (clusterIndex: number, count: number) => number): Step<void> {
    yield* this.#visit(run, (block, slot) => {
      const before = block.get(slot);
      const count = countOf(this.#clusterAt(block, slot), before);
      if (count > this.#width.max) throw this.saturated(this.#clusterAt(block, slot));
      if (count !== before) block.set(slot, count);
    });
  }

  /**
   * Sets all counts of a block, which exists, to those of a tally.
   * @throws DiskError `limit` for a count that does not fit
   */
  *recount(index: number, tally: CountedReferences): Step<void> {
    const block = yield* this.load(index);
    if (block === undefined) throw new Error('assertion failed: a refcount block is gone');
    const first = index * this.clustersPerBlock;
    for (let from = 0; from < this.clustersPerBlock; from += RECOUNT_SLOTS) {
      const to = Math.min(from + RECOUNT_SLOTS, this.clustersPerBlock);
      if (tally.isBlank(first + from, first + to)) block.clear(from, to);
      else {
        const run = { start: first + from, count: to - from };
        yield* this.assign(run, (cluster) => tally.get(cluster));
      }
    }
  }

  /** The start of a run, as far as one block counts it. */
  withinBlock({ start, count }: ClusterRun): ClusterRun {
    const left = this.clustersPerBlock - (start % this.clustersPerBlock);
    return { start, count: Math.min(count, left) };
  }

  /** @throws DiskError `corrupt` unless every cluster of the run is in use */
  *checkInUse(run: ClusterRun): Step<void> {
    const first = this.firstWithoutBlock(run);
    if (first !== undefined) throw this.notInUse(first);
    yield* this.#visit(run, (block, slot) => {
      if (block.isZero(slot)) throw this.notInUse(this.#clusterAt(block, slot));
    });
  }

  /** Whom {@link announce} tells; undefined for nobody. */
  get events(): StorageEvents | undefined {
    return this.#storage.events;
  }

  /** Tells that the count of a cluster is about to change, and brings its block in. */
  *bringIn(clusterIndex: number): Step<void> {
    yield* this.#announceLoads({ start: clusterIndex, count: 1 });
    yield* this.load(this.blockIndexOf(clusterIndex));
  }

  /** QEMU tells of each block in which it is about to change counts, and not of those it looks at. */
  *#announceLoads({ start, count }: ClusterRun): Step<void> {
    if (this.#storage.events === undefined) return;
    for (let index = this.blockIndexOf(start); index <= this.blockIndexOf(start + count - 1);) {
      yield* this.announce('refblock_alloc');
      if (this.hasBlock(index)) yield* this.announce('refblock_load');
      index += 1;
    }
  }

  *#visit(run: ClusterRun, visit: (block: RefcountBlock, slot: number) => void): Step<void> {
    const end = run.start + run.count;
    for (let at = run.start; at < end;) {
      const block = yield* this.load(this.blockIndexOf(at));
      const first = at % this.clustersPerBlock;
      const slots = Math.min(end - at, this.clustersPerBlock - first);
      if (block !== undefined) {
        for (let slot = first; slot < first + slots; slot++) visit(block, slot);
      }
      at += slots;
    }
  }

  /** Largest count that fits. */
  get maxCount(): number {
    return this.#width.max;
  }

  get dirtyBytes(): number {
    return this.#dirtyCount * this.clusterBytes;
  }

  dirtyBlocks(): RefcountBlock[] {
    if (this.#dirtyCount === 0) return [];
    return [...this.#blocks.values()].filter(({ dirty }) => !dirty.isEmpty);
  }

  /** The file has the blocks as they are in memory. */
  markClean(blocks: readonly RefcountBlock[]): void {
    for (const { dirty } of blocks) dirty.clear();
    this.#dirtyCount -= blocks.length;
  }

  #clusterAt(block: RefcountBlock, slot: number): number {
    return block.index * this.clustersPerBlock + slot;
  }

  /** The refusal of a count that does not fit. */
  saturated(clusterIndex: number): DiskError {
    return new DiskError(
      'limit',
      'qcow2.refcount-overflow',
      `Refcounts of ${this.#width.bits} bits cannot count one more use of the cluster at ${hex(clusterIndex * this.clusterBytes)}`,
      { hint: 'Convert the image to one with wider refcounts ("refcount_bits").' },
    );
  }

  /** The refusal of a cluster that is used more often than it is counted. */
  notInUse(clusterIndex: number, count = 0): DiskError {
    const hostOffset = clusterIndex * this.clusterBytes;
    return corrupt(
      'qcow2.refcount-too-low',
      `The refcount of the cluster at ${hex(hostOffset)} is ${count}, but it is used more often`,
      { offset: hostOffset },
    );
  }
}
