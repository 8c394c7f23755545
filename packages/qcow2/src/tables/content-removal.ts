/** Gives up all that an image itself holds: what `qemu-img commit` does to the upper image. */
import { DiskError, divideUp } from '@diskfile/bytes';
import { punchHole, readBytes, type Step } from '@diskfile/core';
import {
  compressedClusters,
  type EntryFormat,
  entryFormat,
  newClusterEntry,
} from './cluster-entry.ts';
import { corrupt, hex } from '../errors.ts';
import { deallocateAll, type ZeroingContext } from './cluster-zeroing.ts';
import { canStartAfresh, startAfresh } from '../allocation/fresh-start.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import { giveUpEmptyBlocks } from '../refcounts/empty-blocks.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

/** Makes every cluster unallocated. When this fails, part of the content may be given up. */
export function* dropContent(context: ZeroingContext, writer: MetadataWriter): Step<void> {
  const { metadata } = context.tables;
  // Whoever injects failures sees them where QEMU meets them, and is left with the same image.
  const isLikeQemu = metadata.asQemu || metadata.storage.events !== undefined;
  if (isLikeQemu && canStartAfresh(metadata)) {
    yield* startAfresh(metadata, writer);
    return;
  }
  if (isLikeQemu) {
    yield* deallocateAll(context);
    // No table of the file may name data that is gone.
    if (metadata.dataFile !== undefined) yield* writer.finish();
    yield* emptyDataFile(metadata);
    return;
  }
  yield* dropTables(metadata, writer, 0);
  yield* writer.finish();
  yield* giveUpEmptyBlocks(metadata, writer);
  metadata.cutsEnd = true;
  yield* emptyDataFile(metadata);
}

/**
 * Gives up L2 tables from an L1 entry on, and all that they name. Each L1 entry is one use of its
 * table and of all that the table names, so whatever internal snapshots use as well keeps their
 * share of its refcount. L1 entries are cleared in the file before any count is lowered.
 */
export function* dropTables(
  metadata: ImageMetadata,
  writer: MetadataWriter,
  firstL1Index: number,
): Step<void> {
  const { tables, map, allocator } = metadata;
  if (tables.l1.nextAllocated(firstL1Index, tables.l1.entries) >= tables.l1.entries) return;
  // From here on the file has the tables as they are in memory.
  yield* writer.sync();
  yield* visitTables(metadata, firstL1Index, function* (index, runs) {
    yield* writer.makeRoom();
    map.removeCluster(runs[0]!.start);
    tables.removeTable(index);
    for (const run of runs) allocator.freed.unlink(run);
  });
}

/**
 * Looks at the L2 tables from an L1 entry on, as the file has them.
 * @param visit gets the clusters that a table takes and names; the table itself comes first
 * @throws DiskError `corrupt` for tables whose clusters cannot be given up as they should
 */
export function* visitTables(
  metadata: ImageMetadata,
  firstL1Index: number,
  visit: (l1Index: number, runs: readonly ClusterRun[]) => Step<void>,
): Step<void> {
  const { tables, storage, header, allocator } = metadata;
  yield* allocator.guard.refuseConflict();
  // More tables than the file has clusters are the same ones again and again, without an end.
  let left = divideUp(storage.sizeBytes, header.clusterBytes);
  for (let index = firstL1Index; index < tables.l1.entries; index++) {
    const tableOffset = tables.l2TableOffset(index);
    if (tableOffset === 0) continue;
    left -= 1;
    if (left < 0) throw repeatedTables(tables.l1.hostOffset);
    yield* visit(index, yield* findUsed(metadata, tableOffset));
  }
}

/** The clusters that an L2 table takes and names, as runs in the order of its entries. */
function* findUsed(metadata: ImageMetadata, tableOffset: number): Step<ClusterRun[]> {
  const { storage, header, dataFile, refcounts } = metadata;
  const { clusterBytes, clusterBits, extendedL2 } = header;
  const runs: { start: number; count: number }[] = [
    { start: tableOffset / clusterBytes, count: 1 },
  ];
  if (dataFile === undefined) {
    const bytes = yield* readBytes(storage, tableOffset, clusterBytes);
    const format = entryFormat(extendedL2, false);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const { start, count } of usedClusters(view, format, clusterBits)) {
      refuseMetadata(metadata, start, count);
      const last = runs.at(-1)!;
      if (last.start + last.count === start) last.count += count;
      else runs.push({ start, count });
    }
  }
  for (const run of runs) yield* refcounts.checkInUse(run);
  return runs;
}

function* usedClusters(
  table: DataView,
  format: EntryFormat,
  clusterBits: number,
): Generator<ClusterRun> {
  const entry = newClusterEntry();
  const clusterBytes = 2 ** clusterBits;
  for (let at = 0; at < table.byteLength; at += format.entryBytes) {
    format.read(table, at, entry);
    if (entry.compressed) yield compressedClusters(table, at, clusterBits);
    else if (entry.hosted) {
      if (entry.hostOffset % clusterBytes !== 0) throw unaligned(entry.hostOffset);
      yield { start: entry.hostOffset / clusterBytes, count: 1 };
    }
  }
}

/** A cluster of metadata would become free to be overwritten. */
function refuseMetadata({ map, header }: ImageMetadata, start: number, count: number): void {
  const kind = map.find(start, start + count);
  if (kind === undefined) return;
  const hostOffset = start * header.clusterBytes;
  throw corrupt('qcow2.overlap', `An L2 entry names the image's own ${kind} as guest data`, {
    offset: hostOffset,
  });
}

/** The data file keeps its length; a host that cannot punch holes keeps the bytes. */
function* emptyDataFile({ dataFile, snapshots }: ImageMetadata): Step<void> {
  if (dataFile === undefined || dataFile.sizeBytes === 0 || snapshots.list.length > 0) return;
  try {
    yield* punchHole(dataFile, 0, dataFile.sizeBytes);
  } catch (error) {
    // The image is empty already; this would only have given space back.
    if (!(error instanceof DiskError)) throw error;
  }
}

function repeatedTables(offset: number): DiskError {
  return corrupt(
    'qcow2.l2-tables-repeated',
    'An L1 table names more L2 tables than the file has room for',
    { offset },
  );
}

function unaligned(hostOffset: number): DiskError {
  return corrupt(
    'qcow2.l2-entry-unaligned',
    `An L2 entry names host offset ${hex(hostOffset)}, which is no multiple of the cluster size`,
    { offset: hostOffset },
  );
}
