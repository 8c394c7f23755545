/**
 * Bits of an L2 entry, given as two 32-bit halves (specification, "Cluster mapping": "Standard
 * Cluster Descriptor" and "Compressed Clusters Descriptor").
 */
import { bitField, clearBits, maskBits, powerOfTwo, setBits, testBit } from '@diskfile/bytes';
import type { OffsetMask } from './l1-table.ts';

const TWO_32 = 0x1_0000_0000;
const SECTOR_BYTES = 512;
/** Bit 63. */
const COPIED_HIGH = 0x8000_0000;
/** Bit 62. */
const COMPRESSED_HIGH = 0x4000_0000;

/** Bits 9 to 55: the offset, in L1 entries and in standard cluster descriptors alike. */
export const OFFSET_MASK: OffsetMask = { high: 0x00ff_ffff, low: 0xffff_fe00 };

/**
 * What an entry says of a cluster, or an extended one of a subcluster. The `-ready` kinds have a
 * host cluster whose content is not valid.
 */
export type ClusterKind = 'data' | 'zero' | 'zero-ready' | 'unallocated' | 'unallocated-ready';

export function isCompressed(high: number): boolean {
  return testBit(high, 30);
}

/** Bit 63: the refcount of the cluster is exactly one. */
export function isCopied(high: number): boolean {
  return testBit(high, 31);
}

/** Sets or clears bit 63 of the entry at `at`. @returns whether it was different */
export function setCopied(entries: DataView, at: number, copied: boolean): boolean {
  const high = entries.getUint32(at);
  if (isCopied(high) === copied) return false;
  entries.setUint32(at, copied ? setBits(high, COPIED_HIGH) : clearBits(high, COPIED_HIGH));
  return true;
}

/** Bit 0 of a standard descriptor, where entries are not extended. */
export function isZeroFlagged(low: number): boolean {
  return testBit(low, 0);
}

/** Host offset in a standard descriptor. Exact: a multiple of 512 below 2^56. */
export function clusterOffset(high: number, low: number): number {
  return maskBits(high, OFFSET_MASK.high) * TWO_32 + clearBits(low, 0x1ff);
}

/** Where a compressed cluster begins; the number of offset bits depends on the cluster size. */
export function compressedOffset(high: number, low: number, clusterBits: number): number {
  return bitField(high, 0, compressedOffsetBits(clusterBits) - 32) * TWO_32 + low;
}

/** Bytes to hand to the decoder: to the end of the last sector that the entry counts. */
export function compressedLength(high: number, low: number, clusterBits: number): number {
  const offsetBits = compressedOffsetBits(clusterBits);
  const additionalSectors = bitField(high, offsetBits - 32, 62 - offsetBits);
  return (additionalSectors + 1) * SECTOR_BYTES - maskBits(low, SECTOR_BYTES - 1);
}

/** The descriptor of a compressed cluster as two halves; `hostOffset` is below {@link compressedEnd}. */
export function compressedDescriptor(
  hostOffset: number,
  lengthBytes: number,
  clusterBits: number,
): { high: number; low: number } {
  const firstSector = Math.floor(hostOffset / SECTOR_BYTES);
  const additionalSectors = Math.floor((hostOffset + lengthBytes - 1) / SECTOR_BYTES) - firstSector;
  const sectorsUnit = powerOfTwo(compressedOffsetBits(clusterBits) - 32);
  return {
    high: COMPRESSED_HIGH + additionalSectors * sectorsUnit + Math.floor(hostOffset / TWO_32),
    low: hostOffset % TWO_32,
  };
}

/** Host offsets from here on do not fit into the descriptor of a compressed cluster. */
export function compressedEnd(clusterBits: number): number {
  return powerOfTwo(compressedOffsetBits(clusterBits));
}

function compressedOffsetBits(clusterBits: number): number {
  return 62 - (clusterBits - 8);
}
