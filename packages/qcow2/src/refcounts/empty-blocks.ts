/** Refcount blocks that count nothing any more, given up so that the file can end before them. */
import type { Step } from '@diskfile/core';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { RefcountBlock } from './refcount-block.ts';

/** The file has all changes of before; what it names is counted in blocks that stay. */
export function* giveUpEmptyBlocks(metadata: ImageMetadata, writer: MetadataWriter): Step<void> {
  const { refcounts, allocator, map, header } = metadata;
  const gone = new Set<number>();
  // Later blocks first: their clusters are often counted by those before.
  for (let index = refcounts.table.capacity - 1; index > 0; index--) {
    const block = yield* refcounts.load(index);
    if (block === undefined) continue;
    const cluster = block.hostOffset / header.clusterBytes;
    if (!countsOnly(block, refcounts.clustersPerBlock, cluster, gone)) continue;
    gone.add(cluster);
    refcounts.remove(index);
    map.removeCluster(cluster);
  }
  const uncounted: number[] = [];
  for (const cluster of gone) {
    if (refcounts.hasBlock(refcounts.blockIndexOf(cluster))) {
      allocator.freed.unlink({ start: cluster, count: 1 });
    } else uncounted.push(cluster);
  }
  if (gone.size === 0) return;
  yield* writer.finish();
  for (const cluster of uncounted) allocator.freed.addFreed({ start: cluster, count: 1 });
}

/** Whether a block counts nothing but itself and blocks that are gone. */
export function countsOnly(
  block: RefcountBlock,
  slots: number,
  ownCluster: number,
  gone: ReadonlySet<number>,
): boolean {
  const first = block.index * slots;
  for (let slot = 0; slot < slots; slot++) {
    if (block.isZero(slot)) continue;
    if (first + slot !== ownCluster && !gone.has(first + slot)) return false;
  }
  return true;
}
