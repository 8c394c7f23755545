/** Whether clusters that the tables call data may be holes of the host's file. */
import type { Storage } from '@diskfile/core';

/**
 * Images made with `preallocation=metadata` map every cluster while the file is still full of
 * holes. QEMU then also asks the host's file system for zeros, and takes an image for one of these
 * when it has clearly more clusters in use than bytes on the host: more by a ninth and by two. We
 * hold the file's length against its allocation in the same measure, which needs no refcounts;
 * the two differ only where a good part of the file is unused holes.
 */
export function isMetadataPreallocated(storage: Storage, clusterBytes: number): boolean {
  const allocatedClusters = Math.floor(storage.allocatedBytes() / clusterBytes);
  const fileClusters = Math.ceil(storage.sizeBytes / clusterBytes);
  return fileClusters > Math.max((allocatedClusters * 10) / 9, allocatedClusters + 2);
}
