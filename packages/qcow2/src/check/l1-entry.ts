/** What entries of L1 tables cannot be (specification, "Cluster mapping"). */
import { hasAnyBit } from '@diskfile/bytes';
import { clusterOffset } from '../tables/l2-entry.ts';

/** Bits 56 to 62, and 0 to 8 of an L1 entry. */
const RESERVED_HIGH = 0x7f00_0000;
const RESERVED_LOW = 0x1ff;

export function hasReservedL1Bits(high: number, low: number): boolean {
  return hasAnyBit(high, RESERVED_HIGH) || hasAnyBit(low, RESERVED_LOW);
}

/** Whether no writer would write an entry, even if the file was longer once. */
export function isOddL1Entry(high: number, low: number, clusterBytes: number): boolean {
  return hasReservedL1Bits(high, low) || clusterOffset(high, low) % clusterBytes !== 0;
}
