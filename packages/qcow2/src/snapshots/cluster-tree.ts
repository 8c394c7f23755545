/** An L1 table with all that hangs on it: the active state of the disk, or a snapshot. */
import { DiskError, divideUp } from '@diskfile/bytes';
import {
  during,
  type HostCall,
  ParallelCalls,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { EntryRuns } from '../check/entry-runs.ts';
import { compressedClusters } from '../tables/cluster-entry.ts';
import { checkReach, corrupt, hex } from '../errors.ts';
import type { Qcow2Header } from '../header/header.ts';
import type { TableReference } from '../header/header-places.ts';
import { checkSnapshotL1 } from './snapshots.ts';
import { clusterOffset, isCompressed, isCopied } from '../tables/l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';

/** Bytes of tables that are read, or written, at a time. */
const BATCH_BYTES = 1024 * 1024;
const MAX_BATCH_TABLES = 64;

/** The refusal of an L1 entry, which places a table at `offset`. */
export type RefuseTable = (l1Table: TableReference, index: number, offset: number) => DiskError;

export class ClusterTree {
  readonly l1Table: TableReference;
  /** L1 entries that name an L2 table; positions below are places in this list. */
  readonly #indexes: Uint32Array;
  readonly #l1: DataView;
  readonly #storage: Storage;
  /** The same, told that L2 tables are read. */
  readonly #tables: Storage;
  readonly #clusterBytes: number;

  private constructor(metadata: ImageMetadata, l1Table: TableReference, l1: DataView) {
    const { storage, header } = metadata;
    this.l1Table = l1Table;
    this.#l1 = l1;
    this.#storage = storage;
    this.#tables = during(storage, 'l2_load');
    this.#clusterBytes = header.clusterBytes;
    this.#indexes = new Uint32Array(l1Table.entries).map((_, index) => index);
    this.#indexes = this.#indexes.filter((index) => this.#offsetAt(index) !== 0);
  }

  /**
   * Reads an L1 table from the file, which has all changes.
   * @param refuse the refusal of an entry that names a place where no cluster begins
   * @throws DiskError `corrupt` for one that names what cannot be an L2 table, `limit`
   */
  static *read(
    metadata: ImageMetadata,
    l1Table: TableReference,
    maxBytes: number,
    refuse: RefuseTable = misplacedTable,
  ): Step<ClusterTree> {
    const { storage, header } = metadata;
    const { offset, entries } = l1Table;
    checkSnapshotL1(l1Table, header.clusterBytes);
    if (entries * 8 > maxBytes) throw tooLarge(offset, maxBytes);
    const bytes = yield* readBytes(storage, offset, entries * 8);
    const tree = new ClusterTree(metadata, l1Table, new DataView(bytes.buffer));
    tree.#checkTables(refuse);
    return tree;
  }

  /** A copy of the L1 table. */
  copyL1(): Uint8Array {
    return new Uint8Array(this.#l1.buffer.slice(0));
  }

  #offsetAt(index: number): number {
    return clusterOffset(this.#l1.getUint32(index * 8), this.#l1.getUint32(index * 8 + 4));
  }

  /** How many L2 tables there are. */
  get tableCount(): number {
    return this.#indexes.length;
  }

  /** Which L1 entry names a table. */
  l1IndexOf(position: number): number {
    return this.#indexes[position]!;
  }

  /** Host cluster of a table. */
  clusterOf(position: number): number {
    return this.#offsetAt(this.l1IndexOf(position)) / this.#clusterBytes;
  }

  /** Host clusters of all tables. */
  *tableClusters(): Iterable<number> {
    for (let position = 0; position < this.tableCount; position++) yield this.clusterOf(position);
  }

  /** Whether the entry of a table calls it the tree's own. */
  isCopied(position: number): boolean {
    return isCopied(this.#l1.getUint32(this.l1IndexOf(position) * 8));
  }

  #checkTables(refuse: RefuseTable): void {
    const { sizeBytes } = this.#storage;
    const clusterBytes = this.#clusterBytes;
    // More tables than the file has clusters are the same ones again and again, without an end.
    if (this.tableCount > divideUp(sizeBytes, clusterBytes)) {
      throw corrupt(
        'qcow2.l2-tables-repeated',
        'An L1 table names more L2 tables than the file has room for',
        { offset: this.l1Table.offset },
      );
    }
    for (const index of this.#indexes) {
      const offset = this.#offsetAt(index);
      if (offset % clusterBytes !== 0) throw refuse(this.l1Table, index, offset);
      if (offset >= sizeBytes) throw misplacedTable(this.l1Table, index, offset);
    }
  }

  /** Positions of the tables that `isWanted`, which is given their host clusters. */
  positions(isWanted: (cluster: number) => boolean = () => true): number[] {
    const all = Array.from(this.#indexes, (_, position) => position);
    return all.filter((position) => isWanted(this.clusterOf(position)));
  }

  /** Calls back with the content of L2 tables and their positions. */
  *visitTables(
    visit: (l2: DataView, position: number) => void,
    positions: readonly number[] = this.positions(),
  ): Step<void> {
    const clusterBytes = this.#clusterBytes;
    const batch = Math.min(batchClusters(clusterBytes), positions.length);
    const buffer = new Uint8Array(batch * clusterBytes);
    for (let start = 0; start < positions.length; start += batch) {
      const some = positions.slice(start, start + batch);
      const clusters = some.map((position) => this.clusterOf(position));
      yield* readClusters(this.#tables, clusters, buffer, clusterBytes);
      for (const [at, position] of some.entries()) {
        visit(new DataView(buffer.buffer, at * clusterBytes, clusterBytes), position);
      }
    }
  }
}

/** Clusters that are read or written at a time. */
export function batchClusters(clusterBytes: number): number {
  return Math.min(MAX_BATCH_TABLES, Math.max(1, BATCH_BYTES / clusterBytes));
}

/** Fills `buffer` with these host clusters, one after another. */
export function* readClusters(
  storage: Storage,
  clusters: readonly number[],
  buffer: Uint8Array,
  clusterBytes: number,
): Step<void> {
  const calls = clusters.map((cluster, at): HostCall => {
    const offset = cluster * clusterBytes;
    const dst = buffer.subarray(at * clusterBytes, (at + 1) * clusterBytes);
    return { runSync: () => storage.readSync(dst, offset), run: () => storage.read(dst, offset) };
  });
  yield new ParallelCalls(calls);
}

/**
 * Called for entries whose host clusters follow each other, or for one that is compressed. Only
 * those that are not compressed have a flag, and all of them the same one.
 */
export type ReferenceVisitor = (
  entryAt: number,
  entries: number,
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
  const runs = new EntryRuns(clusterBytes, extendedL2);
  runs.start(l2);
  while (runs.next()) {
    const { at, high, low, length } = runs;
    if (isCompressed(high)) {
      const { start, count } = compressedClusters(l2, at, clusterBits);
      visit(at, 1, start, count, false);
      continue;
    }
    const offset = clusterOffset(high, low);
    if (offset === 0) continue;
    checkReach(offset, at);
    if (offset % clusterBytes !== 0) throw unaligned(offset);
    visit(at, length, offset / clusterBytes, length, true);
  }
}

/** Calls back with each entry of a run of {@link ReferenceVisitor}: where it is, and its cluster. */
export function visitEntries(
  { extendedL2 }: Qcow2Header,
  entryAt: number,
  entries: number,
  firstCluster: number,
  visit: (entryAt: number, cluster: number) => void,
): void {
  const entryBytes = extendedL2 ? 16 : 8;
  for (let index = 0; index < entries; index++) {
    visit(entryAt + index * entryBytes, firstCluster + index);
  }
}

function unaligned(offset: number): DiskError {
  return corrupt(
    'qcow2.l2-entry-unaligned',
    `An L2 entry names host offset ${hex(offset)}, which is no multiple of the cluster size`,
  );
}

function misplacedTable(l1Table: TableReference, index: number, offset: number): DiskError {
  return corrupt(
    'qcow2.l2-table-place',
    `Entry ${index} of the L1 table at ${hex(l1Table.offset)} places an L2 table at ${hex(offset)}, where none can be`,
    { offset: l1Table.offset + index * 8 },
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
