/** Makes room in the L1 table for a larger disk, as it lies in the file or at another place. */
import { divideUp } from '@diskfile/bytes';
import { announce, during, readInto, type Step, writeBytes } from '@diskfile/core';
import type { ClusterTables } from '../cluster-tables.ts';
import { dropTables } from '../content-removal.ts';
import { neededL1Entries } from '../header.ts';
import { L1Table } from '../l1-table.ts';
import { OFFSET_MASK } from '../l2-entry.ts';
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
  yield* moveL1(metadata, writer, needed);
}

/** Takes in entries that the file has: what they name, for instance saved VM state, is in the way. */
function* holdMore({ tables, storage }: ImageMetadata, entries: number): Step<void> {
  const { l1 } = tables;
  if (entries <= l1.entries) return;
  const bytes = new Uint8Array(entries * ENTRY_BYTES);
  bytes.set(l1.bytes);
  yield* readInto(storage, bytes.subarray(l1.bytes.length), l1.hostOffset + l1.bytes.length);
  tables.replaceL1(new L1Table(l1.hostOffset, bytes, OFFSET_MASK));
}

function* moveL1(metadata: ImageMetadata, writer: MetadataWriter, entries: number): Step<void> {
  const { tables, storage, headerWriter, allocator, map, refcounts, header } = metadata;
  const old = runOf(header.l1Table.offset, header.l1Table.entries, header.clusterBytes);
  yield* refcounts.checkInUse(old);
  const bytes = new Uint8Array(entries * ENTRY_BYTES);
  const count = divideUp(bytes.length, header.clusterBytes);
  yield* announce(storage, 'l1_grow_alloc_table');
  const run = { start: yield* allocator.allocate(count), count };
  const hostOffset = run.start * header.clusterBytes;
  try {
    bytes.set(tables.l1.bytes);
    yield* writeBytes(during(storage, 'l1_grow_write_table'), bytes, hostOffset);
    yield* writer.finish();
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
