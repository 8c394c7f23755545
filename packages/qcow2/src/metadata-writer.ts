/**
 * Brings tables from memory to the host, in an order in which no loss of power can break the image.
 *
 * What is named has to be durable before what names it. So a flush writes refcounts (and with them
 * waits for guest data), then L2 tables, then L1 entries, each step made durable before the next.
 * A crash in between leaves clusters that are counted and not used: leaks, and nothing worse.
 * Clusters that were given up are counted down last, when nothing in the file names them.
 *
 * With lazy refcounts the dirty bit takes the place of the first step and of the last: whoever
 * opens the image after a crash counts anew.
 */
import {
  announce,
  type DirtyRange,
  during,
  flushStorage,
  type HostCall,
  ParallelCalls,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import type { ImageMetadata } from './metadata.ts';

/** Writes of tables that are under way at a time. */
const PARALLEL_WRITES = 32;
/** Share of the cache for tables that may be dirty. */
const DIRTY_SHARE = 0.5;
/** What a run of unlinked clusters takes in memory, about. */
const RUN_BYTES = 64;

/** A table, or part of one, in memory. */
interface TableBytes {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  readonly dirty: DirtyRange;
}

export class MetadataWriter {
  readonly #metadata: ImageMetadata;

  constructor(metadata: ImageMetadata) {
    this.#metadata = metadata;
  }

  /**
   * Comes before each change: writes tables out early when those that are dirty take too much
   * memory.
   */
  *makeRoom(): Step<void> {
    yield* this.#metadata.settle();
    const { tables, refcounts, allocator, cacheBytes } = this.#metadata;
    const { unlinkedRuns, ending } = allocator.freed;
    const unlinkedBytes = (unlinkedRuns + (ending?.size ?? 0)) * RUN_BYTES;
    const dirtyBytes = tables.dirtyBytes + refcounts.dirtyBytes + unlinkedBytes;
    if (dirtyBytes > cacheBytes * DIRTY_SHARE) yield* this.#writeInOrder(true);
  }

  /** Returns when all tables, and all data written before, are durable. */
  *flush(): Step<void> {
    yield* this.sync();
    this.#metadata.allocator.freed.seal();
  }

  /**
   * As {@link flush}, in the middle of a piece of work: what this frees can be used again only
   * after the flush that follows it.
   */
  *sync(): Step<void> {
    const { lazyRefcounts, refcounts } = this.#metadata;
    // The place of a table that has moved is given up here; the header has to follow.
    yield* this.#writeInOrder(!lazyRefcounts || refcounts.table.isMoved);
  }

  /**
   * Brings a new L2 table to the host before it names anything, with the entry that names it: then
   * it is counted, whatever else is not.
   */
  *linkTables(): Step<void> {
    yield* this.#writeInOrder(true, { becomesDirty: false });
  }

  /** Brings counts to the host, before what they count is written. */
  *writeCounts(): Step<void> {
    const markClean = yield* this.#writeBlocks();
    yield* this.#flushHost();
    markClean();
  }

  /** Brings a new refcount block to the host, and then the entry that names it. */
  *linkBlocks(): Step<void> {
    yield* announce(this.#metadata.storage, 'refblock_alloc_write');
    yield* this.writeCounts();
    yield* this.#writeRefcountTable();
  }

  /** Brings refcounts up to date where they are lazy, and says so in the header. */
  *finish(): Step<void> {
    const { headerWriter } = this.#metadata;
    yield* this.#writeInOrder(true);
    if (!headerWriter.isDirty || headerWriter.isGivenUp) return;
    yield* this.#flushHost();
    yield* headerWriter.setDirty(false);
  }

  *#writeInOrder(withRefcounts: boolean, { becomesDirty = true } = {}): Step<void> {
    const { lazyRefcounts, headerWriter, tables, allocator } = this.#metadata;
    if (headerWriter.isGivenUp) return;
    yield* this.#metadata.settle();
    const lazy =
      lazyRefcounts && becomesDirty && (tables.dirtyBytes > 0 || !tables.l1.dirty.isEmpty);
    if (lazy && !headerWriter.isDirty) yield* headerWriter.setDirty(true);
    yield* this.#flushAfter(withRefcounts ? this.#writeBlocks() : undefined);
    if (withRefcounts) yield* this.#writeRefcountTable();
    yield* this.#writeTables();
    yield* allocator.freeUnlinked();
    // Nothing depends on these counts being durable: until they are, the clusters are leaks.
    if (withRefcounts) yield* this.#lowerBlocks();
  }

  /** Guest data becomes durable here as well. */
  *#flushAfter(write: Step<() => void> | undefined): Step<void> {
    const { dataFile } = this.#metadata;
    const done = write === undefined ? undefined : yield* write;
    if (dataFile !== undefined) yield* flushStorage(dataFile);
    yield* this.#flushHost();
    done?.();
  }

  /** @returns what to call when the blocks are durable */
  *#writeBlocks(): Step<() => void> {
    const { refcounts, storage } = this.#metadata;
    const blocks = refcounts.dirtyBlocks();
    if (refcounts.table.isMoved) yield* announce(storage, 'refblock_alloc_write_blocks');
    yield* writeDirty(during(storage, 'refblock_update_part'), blocks);
    return () => refcounts.markClean(blocks);
  }

  *#lowerBlocks(): Step<void> {
    const markClean = yield* this.#writeBlocks();
    markClean();
  }

  *#writeRefcountTable(): Step<void> {
    const { refcounts, storage, headerWriter } = this.#metadata;
    const { table, clusterBytes } = refcounts;
    if (!table.dirty.isEmpty) {
      const event = table.isMoved ? 'refblock_alloc_write_table' : 'refblock_alloc_hookup';
      yield* writeDirty(during(storage, event), [table]);
      yield* this.#flushHost();
      table.dirty.clear();
    }
    if (!table.isMoved) return;
    yield* announce(storage, 'refblock_alloc_switch_table');
    yield* headerWriter.setRefcountTable(table.hostOffset, table.bytes.length / clusterBytes);
    table.headerSwitched();
  }

  *#writeTables(): Step<void> {
    const { tables, storage } = this.#metadata;
    const slices = tables.dirtySlices();
    if (slices.length > 0) {
      yield* writeDirty(
        during(storage, 'l2_update'),
        slices.map(({ hostOffset, entries, dirty }) => ({
          hostOffset,
          bytes: new Uint8Array(entries.buffer),
          dirty,
        })),
      );
      yield* this.#flushHost();
      tables.markClean(slices);
    }
    if (tables.l1.dirty.isEmpty) return;
    yield* writeDirty(during(storage, 'l1_update'), [tables.l1]);
    yield* this.#flushHost();
    tables.l1.dirty.clear();
  }

  *#flushHost(): Step<void> {
    yield* flushStorage(this.#metadata.storage);
  }
}

/** Writes the dirty part of each table. */
function* writeDirty(storage: WritableStorage, tables: readonly TableBytes[]): Step<void> {
  for (let start = 0; start < tables.length; start += PARALLEL_WRITES) {
    const calls = tables.slice(start, start + PARALLEL_WRITES).map((table): HostCall => {
      const src = table.bytes.subarray(table.dirty.from, table.dirty.to);
      const offset = table.hostOffset + table.dirty.from;
      return {
        runSync: () => storage.writeSync(src, offset),
        run: () => storage.write(src, offset),
      };
    });
    yield new ParallelCalls(calls);
  }
}
