/**
 * Empties an image the way QEMU does where it can: header, refcounts and an empty L1 table are put
 * where a new image has them. Until that is done the image is marked as dirty, so whoever opens it
 * counts anew.
 */
import { DiskError, divideUp } from '@diskfile/bytes';
import {
  announce,
  flushStorage,
  type Step,
  truncateStorage,
  writeBytes,
  type WritableStorage,
  writeZeros,
  zeroRange,
} from '@diskfile/core';
import { L1Table } from '../tables/l1-table.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import { type ImageMetadata, MAPPED_KINDS, mapMetadata } from '../metadata.ts';

const ENTRY_BYTES = 8;
/** Header, refcount table and refcount block, in this order; the L1 table follows. */
const CLUSTERS_BEFORE_L1 = 3;

/** Clusters that the emptied image takes. */
function clustersLeft({ header }: ImageMetadata): number {
  return CLUSTERS_BEFORE_L1 + l1Clusters(header.l1Table.entries, header.clusterBytes);
}

function l1Clusters(entries: number, clusterBytes: number): number {
  return divideUp(entries * ENTRY_BYTES, clusterBytes);
}

/** Whether nothing but the disk needs clusters, and one refcount block counts what is left. */
export function canStartAfresh(metadata: ImageMetadata): boolean {
  const { header, headerWriter, snapshots, dataFile, refcounts } = metadata;
  const { extensions } = headerWriter;
  return (
    header.version === 3 &&
    header.encryption === undefined &&
    dataFile === undefined &&
    snapshots.list.length === 0 &&
    extensions.bitmaps === undefined &&
    clustersLeft(metadata) <= refcounts.clustersPerBlock
  );
}

/** Where this fails half way, the image cannot be used before it is opened anew. */
export function* startAfresh(metadata: ImageMetadata, writer: MetadataWriter): Step<void> {
  const { headerWriter } = metadata;
  yield* writer.finish();
  yield* headerWriter.setDirty(true);
  try {
    yield* putTablesInPlace(metadata);
    yield* countAnew(metadata);
  } catch (error) {
    headerWriter.giveUp();
    throw error;
  }
  // What fails from here on is made good by the next flush.
  yield* writer.finish();
  yield* cut(metadata.storage, clustersLeft(metadata) * metadata.header.clusterBytes);
}

/** A device keeps its size, and so does whatever else is as large as it is said to be. */
function* cut(storage: WritableStorage, sizeBytes: number): Step<void> {
  try {
    yield* truncateStorage(storage, sizeBytes);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'unsupported') throw error;
  }
}

function* putTablesInPlace(metadata: ImageMetadata): Step<void> {
  const { storage, header, headerWriter } = metadata;
  const { clusterBytes, l1Table } = header;
  const tableBytes = l1Clusters(l1Table.entries, clusterBytes) * clusterBytes;
  yield* announce(storage, 'l1_update');
  yield* clear(storage, l1Table.offset, tableBytes);
  yield* flushStorage(storage);
  yield* announce(storage, 'empty_image_prepare');
  const start = clusterBytes;
  yield* clear(storage, start, (CLUSTERS_BEFORE_L1 - 1) * clusterBytes + tableBytes);
  yield* flushStorage(storage);
  yield* announce(storage, 'reftable_update');
  yield* headerWriter.update(({ fields, ...rest }) => ({
    ...rest,
    fields: {
      ...fields,
      l1_table_offset: CLUSTERS_BEFORE_L1 * clusterBytes,
      refcount_table_offset: clusterBytes,
      refcount_table_clusters: 1,
    },
  }));
}

/** The tables in memory follow; refcounts reach the file with the next flush. */
function* countAnew(metadata: ImageMetadata): Step<void> {
  const { storage, header, tables, refcounts, allocator, map, snapshots } = metadata;
  const { clusterBytes, l1Table, refcountTable, snapshotTable } = header;
  const l1Bytes = new Uint8Array(l1Table.entries * ENTRY_BYTES);
  tables.replaceL1(new L1Table(l1Table.offset, l1Bytes, OFFSET_MASK));
  tables.forgetSlices();
  refcounts.replaceTable(refcountTable.offset, new Uint8Array(clusterBytes));
  const { table } = refcounts;
  // The block is there, with zeros.
  table.setBlockOffset(0, 2 * clusterBytes);
  const places = { l1Table, l1: tables.l1, refcountTable: table, snapshotTable, snapshots };
  map.replaceKinds(mapMetadata(places, clusterBytes), MAPPED_KINDS);
  yield* announce(storage, 'refblock_alloc');
  const entry = table.bytes.subarray(0, ENTRY_BYTES);
  yield* writeBytes(storage, entry, table.hostOffset);
  yield* flushStorage(storage);
  table.dirty.clear();
  yield* announce(storage, 'cluster_alloc');
  const count = clustersLeft(metadata);
  yield* refcounts.raise({ start: 0, count });
  allocator.skipTo(count);
}

function* clear(storage: WritableStorage, offset: number, lengthBytes: number): Step<void> {
  if (yield* zeroRange(storage, offset, lengthBytes, false)) return;
  yield* writeZeros(storage, offset, lengthBytes);
}
