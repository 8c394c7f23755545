/** The external data file follows the size of the disk. */
import { alignUp } from '@diskfile/bytes';
import {
  growStorage,
  type Preallocation,
  setAside,
  type Step,
  truncateStorage,
} from '@diskfile/core';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { makeZeros } from '../allocation/host-zeros.ts';

/** Makes room in the data file, and makes it zeros: a file may have been longer than its disk. */
export function* growDataFile(
  tables: ClusterTables,
  oldBytes: number,
  sizeBytes: number,
  preallocation: Preallocation,
): Step<void> {
  const { metadata, clusterBytes, format } = tables;
  const { dataFile } = metadata;
  if (dataFile === undefined) return;
  // What is mapped is there, as far as it can be written in one piece.
  const unitBytes = preallocation !== 'off' && format.subclusters === 1 ? clusterBytes : 1;
  const newBytes = alignUp(sizeBytes, unitBytes);
  const leftBytes = Math.min(dataFile.sizeBytes, newBytes) - oldBytes;
  if (leftBytes > 0) yield* makeZeros(dataFile, oldBytes, leftBytes);
  if (dataFile.sizeBytes < newBytes) yield* growStorage(dataFile, newBytes);
  yield* setAside(dataFile, { from: oldBytes, to: newBytes, preallocation });
}

/** Takes off what lies beyond `sizeBytes`. */
export function* cutDataFile({ metadata }: ClusterTables, sizeBytes: number): Step<void> {
  const { dataFile } = metadata;
  if (dataFile === undefined || dataFile.sizeBytes <= sizeBytes) return;
  yield* truncateStorage(dataFile, sizeBytes);
}
