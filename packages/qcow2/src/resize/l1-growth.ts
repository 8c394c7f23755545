/** Makes room in the L1 table for a larger disk, as it lies in the file or at another place. */
import { DiskError, divideUp } from '@diskfile/bytes';
import { announce, during, flushStorage, inContext, type Step, writeBytes } from '@diskfile/core';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { dropTables } from '../tables/content-removal.ts';
import { neededL1Entries } from '../header/header.ts';
import { MAX_L1_BYTES } from '../header/header-places.ts';
import { L1Table } from '../tables/l1-table.ts';
import { lengthenL1 } from '../tables/mapping-tables.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

const ENTRY_BYTES = 8;

export interface L1GrowthParts {
  readonly tables: ClusterTables;
  readonly writer: MetadataWriter;
}

/** The disk keeps its size. A failure leaves the table as it is, or with more room. */
export function* growL1({ tables, writer }: L1GrowthParts, sizeBytes: number): Step<void> {
  const { metadata } = tables;
  const { header } = metadata;
  const needed = neededL1Entries(header, sizeBytes);
  if (needed <= metadata.tables.l1.entries) return;
  // Refcounts as well, whether they are lazy or not: the header is about to name new clusters.
  yield* writer.finish();
  yield* holdMore(metadata, Math.min(needed, header.l1Table.entries));
  if (needed <= header.l1Table.entries) return;
  // The new table begins as a copy, and what nobody needs had better not come along.
  yield* dropTables(metadata, writer, neededL1Entries(header, header.sizeBytes));
  yield* inContext({ purpose: 'l1-table' }, moveL1(metadata, writer, needed));
}

/**
 * Makes room for what lies behind the disk, which keeps its size, and drops nothing. Grows by half,
 * as QEMU does, so that writing piece by piece moves the table a few times only.
 * @throws DiskError `limit` for more entries than a table may have
 */
export function* growL1For({ tables, writer }: L1GrowthParts, needed: number): Step<void> {
  const { metadata } = tables;
  const { entries: held } = metadata.tables.l1;
  if (needed <= held) return;
  const { entries } = metadata.header.l1Table;
  let larger = Math.max(entries, 1);
  while (larger < needed) larger = divideUp(larger * 3, 2);
  if (larger * ENTRY_BYTES > MAX_L1_BYTES) throw tooFarOut(larger);
  yield* writer.finish();
  yield* holdBehind(metadata, Math.max(held, Math.min(larger, entries)));
  if (needed > entries) yield* moveL1(metadata, writer, larger);
}

/** Takes in entries behind the disk, whose L2 tables are to be used from now on. */
export function* holdBehind(metadata: ImageMetadata, entries: number): Step<void> {
  const { tables, map, header } = metadata;
  const { entries: held } = tables.l1;
  yield* holdMore(metadata, entries);
  for (let index = held; index < tables.l1.entries; index++) {
    const cluster = tables.l2TableOffset(index) / header.clusterBytes;
    if (cluster > 0 && map.find(cluster, cluster + 1) === undefined) {
      map.addCluster('L2 table', cluster);
    }
  }
}

function tooFarOut(entries: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.l1-table-too-large',
    `The L1 table would need ${entries} entries, more than a table may have`,
    { op: 'write', cause: Object.assign(new Error('too large'), { code: 'EFBIG' }) },
  );
}

/** Takes in entries that the file has: what they name, for instance saved VM state, is in the way. */
function* holdMore({ tables, storage }: ImageMetadata, entries: number): Step<void> {
  const { l1 } = tables;
  if (entries <= l1.entries) return;
  yield* lengthenL1(storage, tables, entries);
}

function* moveL1(metadata: ImageMetadata, writer: MetadataWriter, entries: number): Step<void> {
  const { tables, storage, headerWriter, allocator, map, refcounts, header } = metadata;
  const old = runOf(header.l1Table.offset, header.l1Table.entries, header.clusterBytes);
  const bytes = new Uint8Array(entries * ENTRY_BYTES);
  const count = divideUp(bytes.length, header.clusterBytes);
  yield* announce(storage, 'l1_grow_alloc_table');
  const run = { start: yield* allocator.allocate(count), count };
  const hostOffset = run.start * header.clusterBytes;
  try {
    yield* refcounts.checkInUse(old);
    bytes.set(tables.l1.bytes);
    yield* writer.finish();
    yield* writeBytes(during(storage, 'l1_grow_write_table'), bytes, hostOffset);
    yield* flushStorage(storage);
    yield* announce(storage, 'l1_grow_activate_table');
    yield* headerWriter.update(({ fields, ...rest }) => ({
      ...rest,
      fields: { ...fields, l1_size: entries, l1_table_offset: hostOffset },
    }));
  } catch (error) {
    // Counted down by the next flush, when the header is sure not to name them.
    allocator.freed.unlink(run);
    throw error;
  }
  tables.replaceL1(new L1Table(hostOffset, bytes, OFFSET_MASK));
  map.removeRegions('L1 table');
  map.addRegion('L1 table', hostOffset, bytes.length);
  yield* allocator.retire(old);
}

function runOf(hostOffset: number, entries: number, clusterBytes: number): ClusterRun {
  const count = divideUp(entries * ENTRY_BYTES, clusterBytes);
  return { start: hostOffset / clusterBytes, count };
}
