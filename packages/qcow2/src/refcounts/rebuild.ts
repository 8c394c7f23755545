/** Counts anew what refers to each host cluster, and sets the refcounts to that. */
import { divideUp } from '@diskfile/bytes';
import type { Limits, Step } from '@diskfile/core';
import { BitmapReferences } from '../check/bitmap-references.ts';
import { Findings } from '../check/findings.ts';
import { References } from '../check/references.ts';
import { AUTOCLEAR } from '../features.ts';
import { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { SnapshotTable } from '../snapshots.ts';
import { ReferenceTally } from './reference-tally.ts';
import type { ClusterRun } from './refcounts.ts';
import { beyondFile, TableTally } from './table-tally.ts';

/**
 * Rebuilds the refcounts of an image that was left dirty (specification, "Header": dirty bit). Some
 * of them may be written; the dirty bit stays until all are.
 */
export function* rebuildRefcounts(
  metadata: ImageMetadata,
  snapshots: SnapshotTable,
  limits: Limits,
): Step<void> {
  const tally = yield* tallyReferences(metadata, snapshots, limits);
  const { storage, header } = metadata;
  // A cluster at the very end may not have been written. What lies beyond never was part of the
  // image, and counting up to there would take time and memory without bound.
  if (tally.end > divideUp(storage.sizeBytes, header.clusterBytes) + 1) {
    throw beyondFile('cluster', (tally.end - 1) * header.clusterBytes);
  }
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
  const tables = new TableTally(metadata, tally, limits);
  yield* tables.addL1(l1Table);
  for (const snapshot of snapshots.list) yield* tables.addL1(snapshot.l1Table);
  yield* tables.addTables();
  yield* tallyBitmaps(metadata, tally, limits);
  return tally;
}

/** What is wrong with bitmaps is dealt with when they are taken over. */
function* tallyBitmaps(
  { storage, header, headerWriter, refcounts }: ImageMetadata,
  tally: ReferenceTally,
  limits: Limits,
): Step<void> {
  const { bitmaps } = headerWriter.extensions;
  if (bitmaps === undefined || !header.features.autoclear.has(AUTOCLEAR.bitmaps)) return;
  const { clusterBytes } = header;
  const bounds = { clusterBytes, fileBytes: storage.sizeBytes, countMax: refcounts.maxCount };
  const findings = new Findings();
  const references = new References(bounds, tally, findings);
  yield* new BitmapReferences(storage, clusterBytes, limits, references, findings).add(bitmaps);
}

/** Sets the counts: first in the blocks that there are, so that free clusters are known. */
function* applyTally(metadata: ImageMetadata, tally: ReferenceTally): Step<void> {
  const { refcounts, allocator } = metadata;
  const { clustersPerBlock, table } = refcounts;
  // Until the dirty bit is cleared, counts may be written in any order.
  const writer = new MetadataWriter(metadata);
  const counted = (index: number): ClusterRun => ({
    start: index * clustersPerBlock,
    count: clustersPerBlock,
  });
  const present = Array.from({ length: table.capacity }, (_, index) => index).filter((index) =>
    refcounts.hasBlock(index),
  );
  for (const index of present) {
    yield* refcounts.recount(index, tally);
    yield* writer.makeRoom();
  }
  const known = new Set(present);
  allocator.skipTo(tally.end);
  for (const index of tally.blocks(clustersPerBlock)) {
    if (known.has(index)) continue;
    yield* allocator.ensureBlock(index);
    yield* refcounts.assign(counted(index), (cluster, count) => tally.get(cluster) || count);
    yield* writer.makeRoom();
  }
  allocator.skipTo(0);
}
