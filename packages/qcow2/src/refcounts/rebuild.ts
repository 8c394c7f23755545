/** Sets refcounts and COPIED flags of an image that was left dirty to what a check has counted. */
import type { Limits, Step } from '@diskfile/core';
import { Inspection } from '../check/inspection.ts';
import { corrupt } from '../errors.ts';
import { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import { repairFlags } from './flag-repair.ts';
import type { ReferenceTally } from './reference-tally.ts';
import type { ClusterRun } from './refcounts.ts';

/**
 * Rebuilds the refcounts of an image that was left dirty (specification, "Header": dirty bit), and
 * the flags that go with them. Some of both may be written; the dirty bit stays until all are.
 * @throws DiskError `corrupt` where more is wrong than refcounts, with nothing changed
 */
export function* rebuildRefcounts(metadata: ImageMetadata, limits: Limits): Step<void> {
  const { storage } = metadata;
  const context = { storage, limits, repair: undefined, onProgress: () => {} };
  const inspection = yield* Inspection.run(context);
  const { findings, blockPlaces, references } = inspection;
  if (!findings.areReferencesSound || blockPlaces.isBroken) {
    const { message, hostOffset } = findings.firstDamage ?? findings.listed[0]!;
    throw corrupt(
      'qcow2.dirty-and-damaged',
      `The image was not closed properly, and more is wrong with it than that: ${message}`,
      hostOffset === undefined ? {} : { offset: hostOffset },
    );
  }
  yield* applyTally(metadata, references.tally);
  yield* repairFlags(storage, inspection);
  yield* metadata.tables.readAgain(storage);
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
    yield* allocator.growth.ensureBlock(index);
    yield* refcounts.assign(counted(index), (cluster, count) => tally.get(cluster) || count);
    yield* writer.makeRoom();
  }
  allocator.skipTo(0);
}
