/**
 * Refcount blocks that count nothing, and whose own place is not counted as it should be. QEMU meets
 * them when it gives up empty blocks of a disk that shrinks, and takes the image for damaged then.
 */
import type { Step } from '@diskfile/core';
import { hex } from '../errors.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import { countsOnly } from './empty-blocks.ts';

const NONE: ReadonlySet<number> = new Set();

/** What to say of a block that cannot be given up. */
interface Refusal {
  readonly detail: string;
  readonly message: string;
  readonly hostOffset: number;
}

/**
 * Takes such blocks out of the refcount table, which loses nothing, before the image is marked.
 * @throws DiskError `corrupt` when there were some
 */
export function* refuseStrayBlocks(metadata: ImageMetadata, writer: MetadataWriter): Step<void> {
  const { refcounts, headerWriter } = metadata;
  let first: Refusal | undefined;
  for (let index = 0; index < refcounts.table.capacity; index++) {
    const refusal = yield* refusalOf(metadata, index);
    if (refusal === undefined) continue;
    first ??= refusal;
    refcounts.remove(index);
    metadata.map.removeCluster(refusal.hostOffset / refcounts.clusterBytes);
  }
  if (first === undefined) return;
  yield* writer.finish();
  yield* headerWriter.refuse(first.detail, first.message, first.hostOffset);
}

function* refusalOf({ refcounts }: ImageMetadata, index: number): Step<Refusal | undefined> {
  const { table, clusterBytes, clustersPerBlock } = refcounts;
  const unreachable = table.unreachablePlace(index, clusterBytes);
  if (unreachable !== undefined) return uncovered(unreachable.text, unreachable.roughly);
  const hostOffset = table.possibleOffset(index, clusterBytes);
  if (hostOffset === undefined || hostOffset === 0) return undefined;
  const block = (yield* refcounts.load(index))!;
  const cluster = hostOffset / clusterBytes;
  if (!countsOnly(block, clustersPerBlock, cluster, NONE)) return undefined;
  const covering = refcounts.blockIndexOf(cluster);
  const coveringOffset = table.possibleOffset(covering, clusterBytes) ?? 0;
  if (coveringOffset === 0) return uncovered(hex(hostOffset), hostOffset);
  const count = yield* refcounts.get(cluster);
  if (count === 1) return undefined;
  return {
    detail: 'qcow2.refcount-block-count',
    message: `The refcount block at ${hex(coveringOffset)}, entry ${covering} of the table, counts the empty refcount block at ${hex(hostOffset)} ${count} times`,
    hostOffset,
  };
}

function uncovered(place: string, hostOffset: number): Refusal {
  const message = `No refcount block counts the one at ${place}`;
  return { detail: 'qcow2.refcount-block-uncovered', message, hostOffset };
}
