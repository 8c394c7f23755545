/** What follows from the sizes of disk, granule and cluster, and QEMU's bounds on them. */
import { divideUp, powerOfTwo } from '@diskfile/bytes';

export const MIN_GRANULARITY_BITS = 9;
export const MAX_GRANULARITY_BITS = 31;
/** Most bytes that the bits of one bitmap may take. */
export const MAX_BITMAP_BYTES = 512 * 1024 * 1024;
const MAX_DEFAULT_GRANULARITY = 64 * 1024;
const MIN_DEFAULT_GRANULARITY = 4096;

/** The granularity that QEMU chooses where none is asked for. */
export function defaultGranularity(clusterBytes: number): number {
  return Math.min(MAX_DEFAULT_GRANULARITY, Math.max(MIN_DEFAULT_GRANULARITY, clusterBytes));
}

/** Granules of a disk; a bitmap has one bit for each. */
export function granuleCount(sizeBytes: number, granularityBytes: number): number {
  return divideUp(sizeBytes, granularityBytes);
}

/** Bytes that the bits of a bitmap take. */
export function bitmapBytes(sizeBytes: number, granularityBits: number): number {
  return divideUp(granuleCount(sizeBytes, powerOfTwo(granularityBits)), 8);
}

/** Whether a bitmap of that granularity may be made for a disk of that size. */
export function isPossible(sizeBytes: number, granularityBits: number): boolean {
  return (
    granularityBits >= MIN_GRANULARITY_BITS &&
    granularityBits <= MAX_GRANULARITY_BITS &&
    sizeBytes > 0 &&
    bitmapBytes(sizeBytes, granularityBits) <= MAX_BITMAP_BYTES
  );
}
