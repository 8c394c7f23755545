/** Where the L2 tables of snapshots lie. */
import { DiskError, isAligned } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import type { SnapshotTable } from './snapshots.ts';
import { clusterOffset } from '../tables/l2-entry.ts';

const ENTRY_BYTES = 8;
const BATCH_BYTES = 1024 * 1024;

interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * @param maxBytes of L1 tables that are read, and of memory for what they name
 * @returns host clusters, sorted; what lies where no table can be is left out
 * @throws DiskError `limit`
 */
export function* readInactiveTables(
  storage: Storage,
  clusterBytes: number,
  snapshots: SnapshotTable,
  maxBytes: number,
): Step<Float64Array> {
  const ranges = l1Ranges(snapshots, storage.sizeBytes, clusterBytes);
  const totalBytes = ranges.reduce((sum, { start, end }) => sum + (end - start), 0);
  if (totalBytes > maxBytes) throw tooLarge(maxBytes);
  const clusters = new Float64Array(totalBytes / ENTRY_BYTES);
  let count = 0;
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += BATCH_BYTES) {
      const bytes = yield* readBytes(storage, at, Math.min(BATCH_BYTES, end - at));
      for (const cluster of tableClusters(bytes, clusterBytes)) {
        if (cluster * clusterBytes < storage.sizeBytes) clusters[count++] = cluster;
      }
    }
  }
  return clusters.subarray(0, count).toSorted();
}

/** What of the file are L1 tables of snapshots, in order; those that lie upon each other once. */
function l1Ranges({ list }: SnapshotTable, fileBytes: number, clusterBytes: number): ByteRange[] {
  const tables = list
    .map(({ l1Table: { offset, entries } }) => ({ offset, end: offset + entries * ENTRY_BYTES }))
    .filter(({ offset }) => isAligned(offset, clusterBytes))
    .toSorted((a, b) => a.offset - b.offset);
  const ranges: ByteRange[] = [];
  let covered = 0;
  for (const { offset, end: tableEnd } of tables) {
    const start = Math.max(covered, offset);
    const end = Math.min(tableEnd, fileBytes - (fileBytes % ENTRY_BYTES));
    if (start >= end) continue;
    ranges.push({ start, end });
    covered = end;
  }
  return ranges;
}

function* tableClusters(l1: Uint8Array, clusterBytes: number): Iterable<number> {
  const view = new DataView(l1.buffer, l1.byteOffset, l1.length);
  for (let at = 0; at < l1.length; at += ENTRY_BYTES) {
    const hostOffset = clusterOffset(view.getUint32(at), view.getUint32(at + 4));
    if (hostOffset >= clusterBytes) yield Math.floor(hostOffset / clusterBytes);
  }
}

function tooLarge(maxBytes: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.snapshot-tables-size',
    `The L1 tables of all snapshots have more than ${maxBytes} bytes`,
    {
      hint: 'Raise limits.maxStructureBytes, or leave out overlap-check.inactive-l2.',
    },
  );
}
