/**
 * Changes what is active, which snapshots there are, and refcounts, all at one instant.
 *
 * Refcounts and the COPIED flags of the active tables have to agree at any time where there is no
 * dirty bit, so neither can be changed where it lies. What changes is written anew beside what there is: L1 table, L2 tables,
 * refcount blocks and the table of them, snapshot table. Until the header names it, it is counted
 * and not used: leaks, if power goes. One write of the header's first sector makes it count, and
 * what was in its place is given up.
 */
import { divideUp } from '@diskfile/bytes';
import { flushStorage, type Step } from '@diskfile/core';
import type { HeaderContent } from '../header/header-content.ts';
import { neededL1Entries } from '../header/header.ts';
import { L1Table } from '../tables/l1-table.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import { type ImageMetadata, MAPPED_KINDS, mapMetadata } from '../metadata.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { MetadataMap } from '../tables/overlap.ts';
import { RefcountTable } from '../refcounts/refcount-table.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { ShadowPlan } from './shadow-plan.ts';
import { type NewTable, NewTables } from './new-tables.ts';

const TWO_32 = 0x1_0000_0000;

/** Where everything is, once the header says so. */
interface NewPlaces {
  readonly l1: NewTable;
  readonly snapshotTable: NewTable;
  readonly refcountTable: NewTable | undefined;
}

/**
 * Makes an image what `plan` says. The file has all changes of before, refcounts included. When
 * this fails the image is what it was.
 */
export function* switchImage(
  metadata: ImageMetadata,
  writer: MetadataWriter,
  plan: ShadowPlan,
): Step<void> {
  const tables = new NewTables(metadata, plan);
  try {
    yield* tables.allocate();
    yield* writer.finish();
    yield* tables.writeCopies();
    const places = {
      l1: yield* tables.writeL1(),
      snapshotTable: yield* tables.writeSnapshotTable(),
      refcountTable: yield* tables.writeRefcounts(),
    };
    const switched = prepareMemory(metadata, plan, places);
    yield* flushStorage(metadata.storage);
    yield* metadata.headerWriter.update((content) => newHeader(metadata, plan, places, content));
    switched();
  } catch (error) {
    // They are counted down by the next flush, when the header is sure to name none of them.
    for (const run of tables.taken) metadata.allocator.freed.unlink(run);
    throw error;
  }
}

function newHeader(
  metadata: ImageMetadata,
  plan: ShadowPlan,
  { l1, snapshotTable, refcountTable }: NewPlaces,
  content: HeaderContent,
): HeaderContent {
  const { clusterBytes, sizeBytes } = metadata.header;
  const fields = {
    ...content.fields,
    // A size that is no whole number of sectors stays as it is.
    size: plan.sizeBytes === sizeBytes ? content.fields.size : plan.sizeBytes,
    l1_size: plan.l1Entries,
    l1_table_offset: l1.hostOffset,
    nb_snapshots: plan.snapshots.length,
    snapshots_offset_high: Math.floor(snapshotTable.hostOffset / TWO_32),
    snapshots_offset_low: snapshotTable.hostOffset % TWO_32,
  };
  if (refcountTable === undefined) return { ...content, fields };
  const place = {
    refcount_table_offset: refcountTable.hostOffset,
    refcount_table_clusters: refcountTable.bytes.length / clusterBytes,
  };
  return { ...content, fields: { ...fields, ...place } };
}

/** Returns what brings memory to the new state; it cannot fail, as the file is there by then. */
function prepareMemory(metadata: ImageMetadata, plan: ShadowPlan, places: NewPlaces): () => void {
  const { header, tables, refcounts, map, allocator } = metadata;
  const { l1, refcountTable } = places;
  const heldEntries = Math.min(plan.l1Entries, neededL1Entries(header, plan.sizeBytes));
  const newL1 = new L1Table(l1.hostOffset, l1.bytes.slice(0, heldEntries * 8), OFFSET_MASK);
  const snapshots = { list: plan.snapshots, lengthBytes: places.snapshotTable.bytes.length };
  const newMap = mapNew(metadata, plan, places, newL1);
  const givenUp = [...plan.givenUp, ...replacedTables(metadata, plan, refcountTable)];
  return () => {
    tables.replaceL1(newL1);
    if (refcountTable !== undefined) {
      refcounts.replaceTable(refcountTable.hostOffset, refcountTable.bytes);
    }
    metadata.snapshots = snapshots;
    map.replaceKinds(newMap, MAPPED_KINDS);
    for (const run of plan.changes.unused) allocator.freed.addFreed(run);
    for (const run of givenUp) allocator.freed.unlink(run);
  };
}

function mapNew(
  { header, refcounts }: ImageMetadata,
  plan: ShadowPlan,
  { l1, snapshotTable, refcountTable }: NewPlaces,
  newL1: L1Table,
): MetadataMap {
  return mapMetadata(
    {
      l1Table: { offset: l1.hostOffset, entries: plan.l1Entries },
      l1: newL1,
      refcountTable:
        refcountTable === undefined
          ? refcounts.table
          : new RefcountTable(refcountTable.hostOffset, refcountTable.bytes),
      snapshotTable: { offset: snapshotTable.hostOffset, entries: plan.snapshots.length },
      snapshots: { list: plan.snapshots, lengthBytes: snapshotTable.bytes.length },
    },
    header.clusterBytes,
  );
}

/** Snapshot table and refcount structures that have new ones in their place. */
function replacedTables(
  { header, snapshots, refcounts }: ImageMetadata,
  { changes }: ShadowPlan,
  refcountTable: NewTable | undefined,
): ClusterRun[] {
  const { clusterBytes, snapshotTable } = header;
  const runOf = (hostOffset: number, lengthBytes: number): ClusterRun => ({
    start: hostOffset / clusterBytes,
    count: divideUp(lengthBytes, clusterBytes),
  });
  const runs = [runOf(snapshotTable.offset, snapshots.lengthBytes)];
  if (refcountTable === undefined) return runs;
  const { table } = refcounts;
  for (const index of changes.blocks) {
    runs.push(runOf(table.blockOffset(index, clusterBytes), clusterBytes));
  }
  runs.push(runOf(table.hostOffset, table.bytes.length));
  return runs;
}
