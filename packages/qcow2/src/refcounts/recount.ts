/** Brings an image in order in which a change of counts and COPIED flags has stopped half way. */
import { type Limits, readBytes, type Step, writeBytes } from '@diskfile/core';
import { L1Table } from '../tables/l1-table.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import { MetadataWriter } from '../metadata-writer.ts';
import { type ImageMetadata, MAPPED_KINDS, mapMetadata } from '../metadata.ts';
import { rebuildRefcounts } from './rebuild.ts';

/**
 * Counts all references in the file anew, and clears the dirty bit. Memory has no changes that the
 * file lacks, but what it holds of counts and flags may be wrong. Can be repeated when it fails.
 * @param l1 what the active L1 table holds, but for its flags
 */
export function* recount(metadata: ImageMetadata, limits: Limits, l1: Uint8Array): Step<void> {
  const { storage, header, refcounts, tables, snapshots, map } = metadata;
  const { refcountTable, l1Table, snapshotTable, clusterBytes } = header;
  const { offset, clusters } = refcountTable;
  const tableBytes = yield* readBytes(storage, offset, clusters * clusterBytes);
  refcounts.forget();
  refcounts.table.replace(offset, tableBytes);
  const held = l1.slice(0, tables.l1.bytes.length);
  tables.replaceL1(new L1Table(l1Table.offset, held, OFFSET_MASK));
  const places = {
    l1Table,
    l1: tables.l1,
    refcountTable: refcounts.table,
    snapshotTable,
    snapshots,
  };
  map.replaceKinds(mapMetadata(places, clusterBytes), MAPPED_KINDS);
  yield* writeBytes(storage, l1, l1Table.offset);
  yield* rebuildRefcounts(metadata, limits);
  yield* new MetadataWriter(metadata).finish();
}
