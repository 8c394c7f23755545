/** What the tables map behind the end of the disk, in its last cluster and in its last L2 table. */
import { alignDown, alignUp, maskBits } from '@diskfile/bytes';
import type { Preallocation, ResizeRequest, Step } from '@diskfile/core';
import { bitRange, type ClusterEntry } from '../tables/cluster-entry.ts';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { hasData } from '../allocation/cluster-allocation.ts';
import { deallocate, zeroing } from '../tables/cluster-zeroing.ts';
import { l2CoverageBytes } from '../header/header.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { TableSlice } from '../tables/table-cache.ts';

/**
 * Makes the bytes behind `sizeBytes`, to the end of the cluster that holds it, zeros. They may be
 * left from a disk that was larger.
 * @param unallocated whether that is done to a unit without data as well, which gets some then
 */
export function* clearEnd(
  tables: ClusterTables,
  sizeBytes: number,
  { writeZeros }: Pick<ResizeRequest, 'writeZeros'>,
  { unallocated }: { readonly unallocated: boolean },
): Step<void> {
  const unitEnd = alignUp(sizeBytes, tables.unitBytes);
  const clusterEnd = alignUp(sizeBytes, tables.clusterBytes);
  if (sizeBytes === clusterEnd) return;
  if (sizeBytes < unitEnd) {
    const state = yield* unitState(tables, sizeBytes);
    const wanted = state === 'data' || (state === 'unallocated' && unallocated);
    if (wanted) yield* writeZeros(sizeBytes, unitEnd - sizeBytes);
  }
  if (unitEnd === clusterEnd) return;
  const slice = yield* tables.metadata.tables.load(unitEnd);
  if (slice === undefined) return;
  const rest = bitRange(
    (unitEnd % tables.clusterBytes) / tables.unitBytes,
    tables.format.subclusters,
  );
  const entry = tables.read(slice, unitEnd);
  if (entry.compressed) return yield* writeZeros(unitEnd, clusterEnd - unitEnd);
  if (maskBits(entry.dataBits, rest) === 0) return;
  yield* tables.ownSlice(unitEnd);
  yield* tables.change(unitEnd, clusterEnd, zeroing(tables, unitEnd, clusterEnd, false));
}

/** What becomes of the cluster within which a disk ends when what follows it is preallocated. */
export interface LastCluster {
  /** Whether it is placed anew, with what follows. */
  readonly isTaken: boolean;
  /** Where what it holds now lies; undefined where that is zeros. */
  readonly dataOffset?: number;
}

const KEPT: LastCluster = { isTaken: false };

/** QEMU places it anew where it has nothing of its own, and wherever space is set aside. */
export function* lastCluster(
  tables: ClusterTables,
  sizeBytes: number,
  preallocation: Preallocation,
): Step<LastCluster> {
  const { asQemu, hasBacking, dataFile } = tables.metadata;
  const start = alignDown(sizeBytes, tables.clusterBytes);
  if (preallocation === 'off' || !asQemu || dataFile !== undefined) return KEPT;
  if (tables.isEncrypted || start === sizeBytes) return KEPT;
  const slice = yield* tables.metadata.tables.load(start);
  if (slice === undefined) return { isTaken: !hasBacking };
  const entry = tables.read(slice, start);
  if (!isUsed(entry)) return { isTaken: !hasBacking };
  const isReserved = preallocation === 'falloc' || preallocation === 'full';
  if (!isReserved || entry.compressed) return KEPT;
  // What is none of the disk's clusters is not given up, and refused by what looks at it next.
  const cluster = entry.hostOffset / tables.clusterBytes;
  if (!Number.isInteger(cluster) || tables.metadata.map.find(cluster, cluster + 1) !== undefined) {
    return KEPT;
  }
  return entry.dataBits === 0 ? { isTaken: true } : { isTaken: true, dataOffset: entry.hostOffset };
}

function* unitState(
  tables: ClusterTables,
  guestOffset: number,
): Step<'data' | 'zero' | 'unallocated'> {
  const slice = yield* tables.metadata.tables.load(guestOffset);
  if (slice === undefined) return 'unallocated';
  const entry = tables.read(slice, guestOffset);
  if (entry.compressed || hasData(tables, entry, guestOffset)) return 'data';
  const unit = Math.floor((guestOffset % tables.clusterBytes) / tables.unitBytes);
  return maskBits(entry.zeroBits, bitRange(unit, unit + 1)) === 0 ? 'unallocated' : 'zero';
}

/** QEMU makes the L2 table of what it is about to give up, where there is none; the last one stays. */
export function* makeLastTable(
  tables: ClusterTables,
  sizeBytes: number,
  oldBytes: number,
): Step<void> {
  const end = alignUp(sizeBytes, l2CoverageBytes(tables.metadata.header));
  const from = alignUp(sizeBytes, tables.clusterBytes);
  if (from < Math.min(end, oldBytes)) yield* tables.ownSlice(from);
}

/** Makes all clusters behind the one at the end unallocated, as far as the last L2 table goes. */
export function* clearEntriesBehind(
  tables: ClusterTables,
  sizeBytes: number,
  writer: MetadataWriter,
): Step<void> {
  const { metadata, clusterBytes } = tables;
  const coverageBytes = l2CoverageBytes(metadata.header);
  const end = alignUp(sizeBytes, coverageBytes);
  for (let at = alignUp(sizeBytes, clusterBytes); at < end;) {
    const slice = yield* metadata.tables.load(at);
    if (slice === undefined) return;
    const stop = Math.min(end, slice.endGuestOffset);
    if (!isClear(tables, slice, at, stop)) {
      yield* writer.makeRoom();
      yield* tables.ownSlice(at);
      yield* tables.change(at, stop, deallocate);
    }
    at = stop;
  }
}

function isClear(tables: ClusterTables, slice: TableSlice, from: number, to: number): boolean {
  for (let at = from; at < to; at += tables.clusterBytes) {
    const entry = tables.read(slice, at);
    if (isUsed(entry) || entry.zeroBits !== 0) return false;
  }
  return true;
}

function isUsed({ compressed, hosted }: ClusterEntry): boolean {
  return compressed || hosted;
}
