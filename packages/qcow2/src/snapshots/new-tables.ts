/** Makes the tables that a plan asks for, at new places in the file. Nothing names them yet. */
import { alignUp, divideUp, writeU64be } from '@diskfile/bytes';
import { type Step, writeBytes } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import { batchClusters, readClusters } from './cluster-tree.ts';
import type { ShadowPlan } from './shadow-plan.ts';
import { encodeSnapshotTable } from './snapshot-entry.ts';

const ENTRY_BYTES = 8;
/** The COPIED flag, in the first byte of an L1 entry. */
const COPIED_BYTE = 0x80;

/** A table and its place; an empty one has none, and offset 0. */
export interface NewTable {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
}

export class NewTables {
  /** All clusters that were taken. */
  readonly taken: ClusterRun[] = [];
  readonly #metadata: ImageMetadata;
  readonly #plan: ShadowPlan;
  readonly #clusterBytes: number;
  readonly #snapshotBytes: Uint8Array;
  #copies: readonly ClusterRun[] = [];
  #blocks: readonly ClusterRun[] = [];
  #l1Offset = 0;
  #snapshotOffset = 0;
  #refcountTableOffset = 0;

  constructor(metadata: ImageMetadata, plan: ShadowPlan) {
    this.#metadata = metadata;
    this.#plan = plan;
    this.#clusterBytes = metadata.header.clusterBytes;
    this.#snapshotBytes = encodeSnapshotTable(plan.snapshots);
  }

  /** Takes clusters for all tables. */
  *allocate(): Step<void> {
    const { copies, l1Entries } = this.#plan;
    const { blocks } = this.#plan.changes;
    this.#copies = yield* this.#takePieces(copies.length);
    this.#l1Offset = yield* this.#take(l1Entries * ENTRY_BYTES);
    this.#snapshotOffset = yield* this.#take(this.#snapshotBytes.length);
    this.#blocks = yield* this.#takePieces(blocks.length);
    if (blocks.length > 0) this.#refcountTableOffset = yield* this.#takeRefcountTable();
  }

  /** Neighbouring clusters for a table. Returns where it begins. */
  *#take(lengthBytes: number): Step<number> {
    const count = divideUp(lengthBytes, this.#clusterBytes);
    if (count === 0) return 0;
    const start = yield* this.#metadata.allocator.allocate(count);
    this.taken.push({ start, count });
    return start * this.#clusterBytes;
  }

  /** Clusters in runs, each as long as is written at a time. */
  *#takePieces(total: number): Step<ClusterRun[]> {
    const runs: ClusterRun[] = [];
    const batch = batchClusters(this.#clusterBytes);
    for (let left = total; left > 0; left -= batch) {
      const count = Math.min(left, batch);
      const offset = yield* this.#take(count * this.#clusterBytes);
      runs.push({ start: offset / this.#clusterBytes, count });
    }
    return runs;
  }

  *#takeRefcountTable(): Step<number> {
    const { refcounts, allocator } = this.#metadata;
    for (;;) {
      const lengthBytes = refcounts.table.bytes.length;
      const hostOffset = yield* this.#take(lengthBytes);
      if (lengthBytes === refcounts.table.bytes.length) return hostOffset;
      // Counting these clusters made the table itself longer.
      allocator.freed.unlink(this.taken.pop()!);
    }
  }

  /** Copies L2 tables, with the flags that they need. */
  *writeCopies(): Step<void> {
    const { storage } = this.#metadata;
    const { active, copies, setFlags } = this.#plan;
    let position = 0;
    for (const { start, count } of this.#copies) {
      const buffer = new Uint8Array(count * this.#clusterBytes);
      const sources = copies.slice(position, position + count);
      const clusters = sources.map((source) => active.clusterOf(source));
      yield* readClusters(storage, clusters, buffer, this.#clusterBytes);
      for (let at = 0; at < buffer.length; at += this.#clusterBytes) {
        setFlags(new DataView(buffer.buffer, at, this.#clusterBytes));
      }
      yield* writeBytes(storage, buffer, start * this.#clusterBytes);
      position += count;
    }
  }

  *writeL1(): Step<NewTable> {
    const { active, copies, l1Entries, isOwn } = this.#plan;
    const bytes = new Uint8Array(l1Entries * ENTRY_BYTES);
    const put = (position: number, cluster: number, own: boolean) => {
      const at = active.l1IndexOf(position) * ENTRY_BYTES;
      writeU64be(bytes, at, cluster * this.#clusterBytes);
      if (own) bytes[at] = COPIED_BYTE;
    };
    for (let position = 0; position < active.tableCount; position++) {
      put(position, active.clusterOf(position), isOwn(position));
    }
    let copied = 0;
    for (const { start, count } of this.#copies) {
      for (let cluster = start; cluster < start + count; cluster++) {
        put(copies[copied]!, cluster, true);
        copied += 1;
      }
    }
    return yield* this.#writePadded(bytes, this.#l1Offset);
  }

  *writeSnapshotTable(): Step<NewTable> {
    return yield* this.#writePadded(this.#snapshotBytes, this.#snapshotOffset);
  }

  /** Fills the last cluster with zeros. */
  *#writePadded(bytes: Uint8Array, hostOffset: number): Step<NewTable> {
    const padded = new Uint8Array(alignUp(bytes.length, this.#clusterBytes));
    padded.set(bytes);
    if (padded.length > 0) yield* writeBytes(this.#metadata.storage, padded, hostOffset);
    return { hostOffset, bytes };
  }

  /** Refcount blocks with the new counts, and a table that names them; undefined if none changes. */
  *writeRefcounts(): Step<NewTable | undefined> {
    const { storage, refcounts } = this.#metadata;
    const { changes } = this.#plan;
    const { blocks } = changes;
    if (blocks.length === 0) return undefined;
    const table = refcounts.table.bytes.slice();
    let position = 0;
    for (const { start, count } of this.#blocks) {
      const buffer = new Uint8Array(count * this.#clusterBytes);
      for (let piece = 0; piece < count; piece++) {
        const index = blocks[position]!;
        buffer.set(yield* changes.changedBlock(index), piece * this.#clusterBytes);
        writeU64be(table, index * ENTRY_BYTES, (start + piece) * this.#clusterBytes);
        position += 1;
      }
      yield* writeBytes(storage, buffer, start * this.#clusterBytes);
    }
    return yield* this.#writePadded(table, this.#refcountTableOffset);
  }
}
