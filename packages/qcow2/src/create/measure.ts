/**
 * How large an image would become: the numbers of `qemu-img measure`. All tables count as if the
 * whole disk were allocated; what is stored for certain is told apart by its data alone.
 */
import { alignUp, encodeName } from '@diskfile/bytes';
import type { BitmapInfo, MeasureContext, Measurement, Step } from '@diskfile/core';
import { luksHeaderBytes } from '@diskfile/crypto';
import { entrySpanBytes } from '../bitmaps/bitmap-entry.ts';
import { type ImageLayout, parseCreateOptions } from './create-options.ts';

const TABLE_ENTRY_BYTES = 8;
const EXTENDED_ENTRY_BYTES = 16;

/** See {@link FormatDriver.measure}. */
export function* measureQcow2(context: MeasureContext): Step<Measurement> {
  const { options, source, hasBacking } = context;
  // As in QEMU, what has a source is measured also where its clusters are too small for the disk.
  const sizeBytes = source === undefined ? context.sizeBytes : 0;
  const layout = parseCreateOptions({ ...context, options, sizeBytes, backing: undefined });
  const { clusterBytes, preallocation, version } = layout;
  const diskBytes = alignUp(context.sizeBytes, clusterBytes);
  const luks = layout.encryption?.luks;
  const luksBytes = luks === undefined ? 0 : alignUp(luksHeaderBytes(luks.keyBytes), clusterBytes);
  const fullyAllocatedBytes = diskBytes + metadataBytes(layout, diskBytes) + luksBytes;
  const isFull = preallocation === 'full' || preallocation === 'falloc';
  // Nobody knows what of the images below the source the new one will find below itself.
  const isUnknown = hasBacking && source !== undefined;
  let dataBytes = 0;
  if (isFull || isUnknown) dataBytes = diskBytes;
  else if (source !== undefined) dataBytes = yield* source.dataBytes(clusterBytes);
  const requiredBytes = fullyAllocatedBytes - diskBytes + dataBytes;
  const hasBitmaps =
    version === 3 && source?.format === 'qcow2' && source.details['compat'] === '1.1';
  return {
    requiredBytes,
    fullyAllocatedBytes,
    ...(hasBitmaps
      ? { bitmapsBytes: bitmapBytes(source.bitmaps, context.sizeBytes, clusterBytes) }
      : {}),
  };
}

/** The tables of an image whose every cluster is allocated. */
function metadataBytes(
  { clusterBytes, extendedL2, refcountBits }: ImageLayout,
  diskBytes: number,
): number {
  const l2EntryBytes = extendedL2 ? EXTENDED_ENTRY_BYTES : TABLE_ENTRY_BYTES;
  const l2Bytes = alignUp((diskBytes / clusterBytes) * l2EntryBytes, clusterBytes);
  const l1Bytes = alignUp((l2Bytes / clusterBytes) * TABLE_ENTRY_BYTES, clusterBytes);
  const counted = (clusterBytes + l2Bytes + l1Bytes + diskBytes) / clusterBytes;
  const header = clusterBytes;
  return header + l2Bytes + l1Bytes + refcountBytes(counted, clusterBytes, refcountBits);
}

/** The refcount structures that count so many clusters, and themselves. */
function refcountBytes(clusters: number, clusterBytes: number, refcountBits: number): number {
  const countsPerBlock = (clusterBytes * 8) / refcountBits;
  const blocksPerTableCluster = clusterBytes / TABLE_ENTRY_BYTES;
  let own = 0;
  for (;;) {
    const blocks = Math.ceil((clusters + own) / countsPerBlock);
    const needed = blocks + Math.ceil(blocks / blocksPerTableCluster);
    if (needed === own) return own * clusterBytes;
    own = needed;
  }
}

/** Copies of bitmaps, each with all of its bits stored; those that are broken are not copied. */
function bitmapBytes(
  bitmaps: readonly BitmapInfo[],
  sizeBytes: number,
  clusterBytes: number,
): number {
  let bytes = 0;
  let directoryBytes = 0;
  for (const { name, granularityBytes, flags } of bitmaps) {
    if (flags.includes('in-use')) continue;
    const bits = Math.ceil(sizeBytes / granularityBytes);
    const contentBytes = alignUp(Math.ceil(bits / 8), clusterBytes);
    const tableBytes = alignUp((contentBytes / clusterBytes) * TABLE_ENTRY_BYTES, clusterBytes);
    bytes += contentBytes + tableBytes;
    directoryBytes += entrySpanBytes(encodeName(name).length);
  }
  return bytes + alignUp(directoryBytes, clusterBytes);
}
