/** Whether the file ends before clusters that it counts as used. */
import { DiskError, divideUp, isAllZero } from '@diskfile/bytes';
import {
  type DiskWarning,
  type OpenContext,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { hex } from './errors.ts';
import { INCOMPATIBLE } from './header/features.ts';
import type { Qcow2Header } from './header/header.ts';
import { RefcountTable } from './refcounts/refcount-table.ts';
import { refcountWidth } from './refcounts/refcount-width.ts';

/** Blocks of counts behind the end of the file that are looked at; there should be none. */
const MAX_BLOCKS = 4;
const ENTRY_BYTES = 8;

/**
 * What a file lacks that was not copied to its end reads as zeros, as with QEMU, which nobody would
 * notice; and clusters that are written later lengthen the file, so that no check finds it any more.
 * @returns the warning, undefined where all is there or nothing can be said
 */
export function* cutOffWarning(
  { storage, tuning }: OpenContext,
  header: Qcow2Header,
): Step<DiskWarning | undefined> {
  // Whoever wants it as QEMU does it sees no request more, and refcounts may be older than the end.
  const asQemu = storage.events !== undefined || tuning?.asQemu === true;
  if (asQemu || header.features.incompatible.has(INCOMPATIBLE.dirty)) return undefined;
  if (!(yield* hasUsedBehind(storage, header))) return undefined;
  return {
    detail: 'qcow2.cut-off',
    message: `The file ends at ${hex(storage.sizeBytes)}, before clusters that are in use: they read as zeros. Get the whole file, or check it, before anything is written to it`,
  };
}

function* hasUsedBehind(storage: Storage, header: Qcow2Header): Step<boolean> {
  const { clusterBytes, refcountBits, refcountTable } = header;
  const clustersPerBlock = (clusterBytes * 8) / refcountBits;
  const width = refcountWidth(refcountBits);
  const fileClusters = divideUp(storage.sizeBytes, clusterBytes);
  const skippedBytes = Math.floor(fileClusters / clustersPerBlock) * ENTRY_BYTES;
  const tableBytes = refcountTable.clusters * clusterBytes - skippedBytes;
  if (tableBytes <= 0) return false;
  try {
    const table = yield* RefcountTable.read(
      storage,
      refcountTable.offset + skippedBytes,
      tableBytes,
    );
    let [slot, left] = [fileClusters % clustersPerBlock, MAX_BLOCKS];
    const { usedCapacity } = table;
    for (let index = 0; index < usedCapacity && left > 0; index++, slot = 0) {
      const hostOffset = table.blockOffset(index, clusterBytes);
      if (hostOffset === 0) continue;
      if (hostOffset >= storage.sizeBytes) return true;
      left -= 1;
      const block = yield* readBytes(storage, hostOffset, clusterBytes);
      // Eight counts end at a byte whatever their width.
      for (; slot % 8 !== 0; slot++) if (!width.isZero(block, slot)) return true;
      if (!isAllZero(block.subarray((slot * refcountBits) / 8))) return true;
    }
  } catch (error) {
    // Damage that whoever needs the refcounts is told of.
    if (!(error instanceof DiskError)) throw error;
  }
  return false;
}
