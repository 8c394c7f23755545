/** Clusters for all of a new disk, mapped before anything is written to them. */
import { alignUp, divideUp } from '@diskfile/bytes';
import {
  allocateSpace,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeZeros,
} from '@diskfile/core';
import type { ClusterTables } from './cluster-tables.ts';
import type { ImageLayout } from './create-options.ts';
import type { MetadataWriter } from './metadata-writer.ts';

export function* preallocate(
  tables: ClusterTables,
  layout: ImageLayout,
  writer: MetadataWriter,
): Step<void> {
  const { preallocation, sizeBytes, dataFileName } = layout;
  const isEmpty = sizeBytes === 0 && preallocation === 'metadata';
  if (preallocation === 'off' || isEmpty) return;
  if (dataFileName !== undefined) {
    yield* mapAll(tables, layout, writer, function* (guestOffset) {
      return guestOffset;
    });
  } else if (preallocation === 'metadata') yield* mapAsNeeded(tables, layout, writer);
  else yield* mapReserved(tables, layout, writer);
}

/** Data clusters follow the L2 table that maps them, and are holes of the file. */
function* mapAsNeeded(
  tables: ClusterTables,
  layout: ImageLayout,
  writer: MetadataWriter,
): Step<void> {
  const { clusterBytes, metadata } = tables;
  let fileEnd = 0;
  yield* mapAll(tables, layout, writer, function* (_guestOffset, lengthBytes) {
    const count = divideUp(lengthBytes, clusterBytes);
    const hostOffset = (yield* metadata.allocator.allocate(count)) * clusterBytes;
    fileEnd = hostOffset + alignUp(lengthBytes, tables.unitBytes);
    return hostOffset;
  });
  if (fileEnd > metadata.storage.sizeBytes) yield* truncateStorage(metadata.storage, fileEnd);
}

/** One run of data clusters that the host has set aside; the L2 tables follow it. */
function* mapReserved(
  tables: ClusterTables,
  layout: ImageLayout,
  writer: MetadataWriter,
): Step<void> {
  const { clusterBytes, metadata } = tables;
  const { storage, allocator } = metadata;
  const dataBytes = alignUp(layout.sizeBytes, clusterBytes);
  const firstHost =
    (yield* allocator.reserveArea(dataBytes / clusterBytes, layout.l1Entries)) * clusterBytes;
  yield* reserveSpace(storage, firstHost, dataBytes, layout.preallocation === 'full');
  // The refcount table has moved; its old place is the first that is free.
  yield* writer.flush();
  allocator.reclaim();
  yield* mapAll(tables, layout, writer, function* (guestOffset) {
    return firstHost + guestOffset;
  });
}

function* reserveSpace(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
  write: boolean,
): Step<void> {
  if (write) yield* writeZeros(storage, offset, lengthBytes);
  else if (!(yield* allocateSpace(storage, offset, lengthBytes))) {
    yield* truncateStorage(storage, Math.max(storage.sizeBytes, offset + lengthBytes));
  }
}

/** Maps the whole disk, a slice of an L2 table at a time, to where `place` says. */
function* mapAll(
  tables: ClusterTables,
  { sizeBytes, extendedL2 }: ImageLayout,
  writer: MetadataWriter,
  place: (guestOffset: number, lengthBytes: number) => Step<number>,
): Step<void> {
  for (let start = 0; start < sizeBytes;) {
    yield* writer.makeRoom();
    const { endGuestOffset } = yield* tables.ownSlice(start);
    const end = Math.min(sizeBytes, endGuestOffset);
    const hostOffset = yield* place(start, end - start);
    const from = start;
    yield* tables.change(start, end, (entry, at) => {
      entry.hosted = true;
      entry.copied = true;
      entry.hostOffset = hostOffset + (at - from);
      // Extended entries say that nothing is in the cluster yet.
      entry.dataBits = extendedL2 ? 0 : 1;
      return 'change';
    });
    start = end;
  }
}
