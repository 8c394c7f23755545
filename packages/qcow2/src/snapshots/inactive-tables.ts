/** Where the L2 tables of snapshots lie. */
import { isAligned } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import type { Qcow2Header } from '../header.ts';
import { clusterOffset } from '../l2-entry.ts';
import type { SnapshotTable } from '../snapshots.ts';

const ENTRY_BYTES = 8;
const BATCH_BYTES = 1024 * 1024;

/** @returns host clusters; what lies where no table can be is left out */
export function* readInactiveTables(
  storage: Storage,
  { clusterBytes }: Qcow2Header,
  { list }: SnapshotTable,
): Step<ReadonlySet<number>> {
  const clusters = new Set<number>();
  const tables = list
    .map(({ l1Table: { offset, entries } }) => ({ offset, end: offset + entries * ENTRY_BYTES }))
    .filter(({ offset }) => isAligned(offset, clusterBytes))
    .toSorted((a, b) => a.offset - b.offset);
  let at = 0;
  for (const { offset, end } of tables) {
    // Those that lie upon each other are read once.
    at = Math.max(at, offset);
    const last = Math.min(end, storage.sizeBytes - (storage.sizeBytes % ENTRY_BYTES));
    for (; at < last; at = Math.min(at + BATCH_BYTES, last)) {
      const bytes = yield* readBytes(storage, at, Math.min(BATCH_BYTES, last - at));
      addTables(bytes, storage.sizeBytes / clusterBytes, clusterBytes, clusters);
    }
  }
  return clusters;
}

function addTables(
  l1: Uint8Array,
  fileClusters: number,
  clusterBytes: number,
  clusters: Set<number>,
): void {
  const view = new DataView(l1.buffer, l1.byteOffset, l1.length);
  for (let at = 0; at < l1.length; at += ENTRY_BYTES) {
    const hostOffset = clusterOffset(view.getUint32(at), view.getUint32(at + 4));
    const cluster = Math.floor(hostOffset / clusterBytes);
    if (cluster > 0 && cluster < fileClusters) clusters.add(cluster);
  }
}
