/** An L1 table with all that hangs on it: the active state of the disk, or a snapshot. */
import { DiskError, divideUp } from '@diskfile/bytes';
import { type HostCall, ParallelCalls, readBytes, type Step, type Storage } from '@diskfile/core';
import { compressedClusters } from '../cluster-entry.ts';
import { checkReach, corrupt, hex } from '../errors.ts';
import { checkTable, type Qcow2Header, type TableReference } from '../header.ts';
import { clusterOffset, isCompressed, isCopied } from '../l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';

/** Bytes of tables that are read, or written, at a time. */
const BATCH_BYTES = 1024 * 1024;
const MAX_BATCH_TABLES = 64;

export class ClusterTree {
  readonly l1Table: TableReference;
  /** L1 entries that name an L2 table. */
  readonly indexes: readonly number[];
  /** Host offset of each of these tables. */
  readonly tableOffsets: readonly number[];
  readonly #l1: DataView;
  readonly #storage: Storage;
  readonly #clusterBytes: number;

  private constructor(metadata: ImageMetadata, l1Table: TableReference, l1: DataView) {
    const { storage, header } = metadata;
    this.l1Table = l1Table;
    this.#l1 = l1;
    this.#storage = storage;
    this.#clusterBytes = header.clusterBytes;
    const indexes: number[] = [];
    for (let index = 0; index < l1Table.entries; index++) {
      if (this.#offsetAt(index) !== 0) indexes.push(index);
    }
    this.indexes = indexes;
    this.tableOffsets = this.indexes.map((index) => this.#offsetAt(index));
  }

  /**
   * Reads an L1 table from the file, which has all changes.
   * @throws DiskError `corrupt` for one that names what cannot be an L2 table, `limit`
   */
  static *read(
    metadata: ImageMetadata,
    l1Table: TableReference,
    maxBytes: number,
  ): Step<ClusterTree> {
    const { storage, header } = metadata;
    const { offset, entries } = l1Table;
    checkTable('snapshot L1 table', offset, entries, header.clusterBytes, 64);
    if (entries * 8 > maxBytes) throw tooLarge(offset, maxBytes);
    const bytes = yield* readBytes(storage, offset, entries * 8);
    const tree = new ClusterTree(metadata, l1Table, new DataView(bytes.buffer));
    tree.#checkTables();
    return tree;
  }

  #offsetAt(index: number): number {
    return clusterOffset(this.#l1.getUint32(index * 8), this.#l1.getUint32(index * 8 + 4));
  }

  /** Whether the entry of a table calls it the tree's own. */
  isCopied(position: number): boolean {
    return isCopied(this.#l1.getUint32(this.indexes[position]! * 8));
  }

  #checkTables(): void {
    const { sizeBytes } = this.#storage;
    const clusterBytes = this.#clusterBytes;
    // More tables than the file has clusters are the same ones again and again, without an end.
    if (this.indexes.length > divideUp(sizeBytes, clusterBytes)) {
      throw corrupt(
        'qcow2.l2-tables-repeated',
        'An L1 table names more L2 tables than the file has room for',
        { offset: this.l1Table.offset },
      );
    }
    for (const [position, offset] of this.tableOffsets.entries()) {
      if (offset % clusterBytes === 0 && offset < sizeBytes) continue;
      const index = this.indexes[position]!;
      throw corrupt(
        'qcow2.l2-table-place',
        `Entry ${index} of the L1 table at ${hex(this.l1Table.offset)} places an L2 table at ${hex(offset)}, where none can be`,
        { offset: this.l1Table.offset + index * 8 },
      );
    }
  }

  /** Calls back with the content of each L2 table and its place in {@link tableOffsets}. */
  *visitTables(visit: (l2: DataView, position: number) => void): Step<void> {
    const clusterBytes = this.#clusterBytes;
    const batch = batchClusters(clusterBytes);
    const buffer = new Uint8Array(Math.min(batch, this.tableOffsets.length) * clusterBytes);
    for (let start = 0; start < this.tableOffsets.length; start += batch) {
      const offsets = this.tableOffsets.slice(start, start + batch);
      yield* readClusters(this.#storage, offsets, buffer, clusterBytes);
      for (const at of offsets.keys()) {
        visit(new DataView(buffer.buffer, at * clusterBytes, clusterBytes), start + at);
      }
    }
  }
}

/** Clusters that are read or written at a time. */
export function batchClusters(clusterBytes: number): number {
  return Math.min(MAX_BATCH_TABLES, Math.max(1, BATCH_BYTES / clusterBytes));
}

/** Fills `buffer` with the clusters at `offsets`, one after another. */
export function* readClusters(
  storage: Storage,
  offsets: readonly number[],
  buffer: Uint8Array,
  clusterBytes: number,
): Step<void> {
  const calls = offsets.map((offset, at): HostCall => {
    const dst = buffer.subarray(at * clusterBytes, (at + 1) * clusterBytes);
    return { runSync: () => storage.readSync(dst, offset), run: () => storage.read(dst, offset) };
  });
  yield new ParallelCalls(calls);
}

/** Called for each entry that uses host clusters. Only one that is not compressed has a flag. */
export type ReferenceVisitor = (
  entryAt: number,
  firstCluster: number,
  clusters: number,
  flagged: boolean,
) => void;

/**
 * Goes over an L2 table.
 * @throws DiskError `corrupt` for an entry that names what cannot be a cluster
 */
export function visitReferences(
  l2: DataView,
  { clusterBits, clusterBytes, extendedL2 }: Qcow2Header,
  visit: ReferenceVisitor,
): void {
  const entryBytes = extendedL2 ? 16 : 8;
  for (let at = 0; at < l2.byteLength; at += entryBytes) {
    const high = l2.getUint32(at);
    if (isCompressed(high)) {
      const { start, count } = compressedClusters(l2, at, clusterBits);
      visit(at, start, count, false);
      continue;
    }
    const offset = clusterOffset(high, l2.getUint32(at + 4));
    if (offset === 0) continue;
    checkReach(offset, at);
    if (offset % clusterBytes !== 0) throw unaligned(offset);
    visit(at, offset / clusterBytes, 1, true);
  }
}

function unaligned(offset: number): DiskError {
  return corrupt(
    'qcow2.l2-entry-unaligned',
    `An L2 entry names host offset ${hex(offset)}, which is no multiple of the cluster size`,
  );
}

function tooLarge(offset: number, maxBytes: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.l1-table-too-large',
    `An L1 table is larger than ${maxBytes} bytes`,
    { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
