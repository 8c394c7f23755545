/** Whether clusters that the tables call data may be holes of the host's file. */
import { DiskError, divideUp } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import { RefcountTable } from '../refcounts/refcount-table.ts';
import { refcountWidth } from '../refcounts/refcount-width.ts';

/** Bytes and counts of refcount blocks that are looked at; of more, the file's length tells enough. */
const MAX_LOOKED_AT = 16 * 1024 * 1024;

type CountedHeader = Pick<Qcow2Header, 'clusterBytes' | 'refcountBits' | 'refcountTable'>;

/**
 * Images made with `preallocation=metadata` map every cluster while the file is still full of
 * holes. QEMU then also asks the host's file system for zeros, and takes an image for one of these
 * when it has clearly more clusters in use than bytes on the host: by a ninth, and by two.
 */
export function* isMetadataPreallocated(storage: Storage, header: CountedHeader): Step<boolean> {
  const { clusterBytes } = header;
  const allocatedClusters = Math.floor(storage.allocatedBytes() / clusterBytes);
  const fileClusters = Math.ceil(storage.sizeBytes / clusterBytes);
  const least = Math.max(Math.floor((allocatedClusters * 10) / 9), allocatedClusters + 2);
  // Most files are not that long, and nothing has to be read.
  if (fileClusters < least) return false;
  // Whoever watches is shown no request that QEMU does not make when it opens an image.
  if (storage.events !== undefined) return true;
  return yield* hasMoreInUse(storage, header, { fileClusters, least });
}

/** Whether at least as many clusters are in use. Damaged refcounts say that they are not. */
function* hasMoreInUse(
  storage: Storage,
  { clusterBytes, refcountBits, refcountTable }: CountedHeader,
  { fileClusters, least }: { readonly fileClusters: number; readonly least: number },
): Step<boolean> {
  const width = refcountWidth(refcountBits);
  const clustersPerBlock = (clusterBytes * 8) / refcountBits;
  const blocks = divideUp(fileClusters, clustersPerBlock);
  let [inUse, left] = [0, MAX_LOOKED_AT];
  try {
    const { offset, clusters } = refcountTable;
    const tableBytes = Math.min(clusters * clusterBytes, divideUp(blocks, 64) * 512);
    const table = yield* RefcountTable.read(storage, offset, tableBytes);
    const end = Math.min(blocks, table.usedCapacity);
    for (let index = 0; index < end; index++) {
      const hostOffset = table.blockOffset(index, clusterBytes);
      if (hostOffset === 0) continue;
      left -= Math.max(clusterBytes, clustersPerBlock);
      if (left < 0) return true;
      const block = yield* readBytes(storage, hostOffset, clusterBytes);
      const slots = Math.min(clustersPerBlock, fileClusters - index * clustersPerBlock);
      for (let slot = 0; slot < slots; slot++) {
        if (!width.isZero(block, slot)) inUse += 1;
        if (inUse >= least) return true;
      }
    }
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
  return false;
}
