/** Counts anew what refers to each host cluster, and sets the refcounts to that. */
import { DiskError, divideUp, maskBits } from '@diskfile/bytes';
import { type Limits, readBytes, type Step } from '@diskfile/core';
import { compressedClusters } from '../cluster-entry.ts';
import { corrupt } from '../errors.ts';
import type { TableReference } from '../header.ts';
import { clusterOffset, isCompressed, OFFSET_MASK } from '../l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { SnapshotTable } from '../snapshots.ts';
import { ReferenceTally } from './reference-tally.ts';
import type { ClusterRun } from './refcounts.ts';

const TWO_32 = 0x1_0000_0000;

/**
 * Rebuilds the refcounts of an image that was left dirty (specification, "Header": dirty bit). They
 * change in memory only; the dirty bit stays until they are written.
 */
export function* rebuildRefcounts(
  metadata: ImageMetadata,
  snapshots: SnapshotTable,
  limits: Limits,
): Step<void> {
  const tally = yield* tallyReferences(metadata, snapshots, limits);
  yield* applyTally(metadata, tally);
}

/** How often each host cluster is referred to, by everything that the image consists of. */
export function* tallyReferences(
  metadata: ImageMetadata,
  snapshots: SnapshotTable,
  limits: Limits,
): Step<ReferenceTally> {
  const { header, refcounts } = metadata;
  const { clusterBytes, l1Table, snapshotTable } = header;
  const { table } = refcounts;
  const tally = new ReferenceTally(limits.maxStructureBytes);
  const addBytes = (hostOffset: number, lengthBytes: number) => {
    if (lengthBytes === 0) return;
    const start = Math.floor(hostOffset / clusterBytes);
    tally.add({ start, count: divideUp(hostOffset + lengthBytes, clusterBytes) - start });
  };
  addBytes(0, clusterBytes);
  addBytes(table.hostOffset, table.bytes.length);
  addBytes(snapshotTable.offset, snapshots.lengthBytes);
  for (let index = 0; index < table.capacity; index++) {
    const hostOffset = table.blockOffset(index, clusterBytes);
    if (hostOffset !== 0) addBytes(hostOffset, clusterBytes);
  }
  for (const l1 of [l1Table, ...snapshots.list.map((snapshot) => snapshot.l1Table)]) {
    addBytes(l1.offset, l1.entries * 8);
    yield* tallyTables(metadata, l1, tally, limits);
  }
  return tally;
}

/** What one L1 table refers to: its L2 tables, and what those map. */
function* tallyTables(
  metadata: ImageMetadata,
  l1: TableReference,
  tally: ReferenceTally,
  limits: Limits,
): Step<void> {
  const { storage, header } = metadata;
  if (l1.entries * 8 > limits.maxStructureBytes) throw tooLarge(l1.offset);
  const entries = asView(yield* readBytes(storage, l1.offset, l1.entries * 8));
  // More tables than the file has clusters are the same ones again and again, without an end.
  let left = divideUp(storage.sizeBytes, header.clusterBytes);
  for (let at = 0; at < entries.byteLength; at += 8) {
    const hostOffset = clusterOffset(entries.getUint32(at), entries.getUint32(at + 4));
    if (hostOffset === 0) continue;
    left -= 1;
    if (left < 0) throw repeatedTables(l1.offset);
    tally.add({ start: Math.floor(hostOffset / header.clusterBytes), count: 1 });
    const l2 = asView(yield* readBytes(storage, hostOffset, header.clusterBytes));
    tallyClusters(metadata, l2, tally);
  }
}

function tallyClusters({ header, dataFile }: ImageMetadata, l2: DataView, tally: ReferenceTally) {
  const { clusterBits, clusterBytes, extendedL2 } = header;
  const entryBytes = extendedL2 ? 16 : 8;
  for (let at = 0; at < l2.byteLength; at += entryBytes) {
    const high = l2.getUint32(at);
    if (isCompressed(high)) tally.add(compressedClusters(l2, at, clusterBits));
    else if (dataFile === undefined) {
      const offset =
        maskBits(high, OFFSET_MASK.high) * TWO_32 + maskBits(l2.getUint32(at + 4), OFFSET_MASK.low);
      if (offset !== 0) tally.add({ start: Math.floor(offset / clusterBytes), count: 1 });
    }
  }
}

function asView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Sets the counts: first in the blocks that there are, so that free clusters are known. */
function* applyTally({ refcounts, allocator }: ImageMetadata, tally: ReferenceTally): Step<void> {
  const { clustersPerBlock, table } = refcounts;
  const counted = (index: number): ClusterRun => ({
    start: index * clustersPerBlock,
    count: clustersPerBlock,
  });
  const present = Array.from({ length: table.capacity }, (_, index) => index).filter((index) =>
    refcounts.hasBlock(index),
  );
  for (const index of present) {
    yield* refcounts.assign(counted(index), (cluster) => tally.get(cluster));
  }
  const known = new Set(present);
  allocator.skipTo(tally.end);
  for (const index of tally.blocks(clustersPerBlock)) {
    if (known.has(index)) continue;
    yield* allocator.ensureBlock(index);
    yield* refcounts.assign(counted(index), (cluster, count) => tally.get(cluster) || count);
  }
  allocator.skipTo(0);
}

function repeatedTables(offset: number): DiskError {
  return corrupt(
    'qcow2.l2-tables-repeated',
    'An L1 table names more L2 tables than the file has room for',
    { offset },
  );
}

function tooLarge(offset: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.l1-table-too-large',
    'An L1 table is larger than a structure may be',
    { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
