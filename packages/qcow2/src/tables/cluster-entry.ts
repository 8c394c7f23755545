/**
 * L2 entries as the writer sees them, standard and extended alike: a standard one counts as an
 * entry with a single subcluster (specification, "Cluster mapping" and "Extended L2 Entries").
 */
import { clearBits, maskBits, powerOfTwo, setBits } from '@diskfile/bytes';
import {
  clusterOffset,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
  isZeroFlagged,
} from './l2-entry.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

const TWO_32 = 0x1_0000_0000;
const COPIED_HIGH = 0x8000_0000;

/** What one entry says. Refilled for each, so that walking over entries allocates nothing. */
export interface ClusterEntry {
  compressed: boolean;
  /** The descriptor of a compressed cluster. */
  compressedHigh: number;
  compressedLow: number;
  /** Whether there is a host cluster; offset 0 is one in an external data file. */
  hosted: boolean;
  hostOffset: number;
  /** Whether nothing else uses the host cluster. */
  copied: boolean;
  /** Subclusters that read as zeros, one bit each. */
  zeroBits: number;
  /** Subclusters whose bytes are in the host cluster, one bit each. */
  dataBits: number;
}

export interface EntryFormat {
  readonly entryBytes: number;
  readonly subclusters: number;
  /** A bit for every subcluster. */
  readonly allBits: number;
  read(entries: DataView, at: number, entry: ClusterEntry): void;
  write(entries: DataView, at: number, entry: ClusterEntry): void;
}

export function newClusterEntry(): ClusterEntry {
  return {
    compressed: false,
    compressedHigh: 0,
    compressedLow: 0,
    hosted: false,
    hostOffset: 0,
    copied: false,
    zeroBits: 0,
    dataBits: 0,
  };
}

/** @param external whether an external data file holds the clusters */
export function entryFormat(extended: boolean, external: boolean): EntryFormat {
  return extended ? extendedFormat(external) : standardFormat(external);
}

function standardFormat(external: boolean): EntryFormat {
  return {
    entryBytes: 8,
    subclusters: 1,
    allBits: 1,
    read(entries, at, entry) {
      readDescriptor(entries, at, entry, external);
      const zero = isZeroFlagged(entries.getUint32(at + 4));
      entry.zeroBits = zero && !entry.compressed ? 1 : 0;
      entry.dataBits = entry.hosted && !zero ? 1 : 0;
    },
    write(entries, at, entry) {
      writeDescriptor(entries, at, entry, entry.zeroBits);
    },
  };
}

function extendedFormat(external: boolean): EntryFormat {
  return {
    entryBytes: 16,
    subclusters: 32,
    allBits: 0xffff_ffff,
    read(entries, at, entry) {
      readDescriptor(entries, at, entry, external);
      entry.zeroBits = entries.getUint32(at + 8);
      entry.dataBits = entries.getUint32(at + 12);
    },
    write(entries, at, entry) {
      writeDescriptor(entries, at, entry, 0);
      entries.setUint32(at + 8, entry.zeroBits);
      entries.setUint32(at + 12, entry.dataBits);
    },
  };
}

function readDescriptor(entries: DataView, at: number, entry: ClusterEntry, external: boolean) {
  const high = entries.getUint32(at);
  const low = entries.getUint32(at + 4);
  entry.compressed = isCompressed(high);
  entry.compressedHigh = entry.compressed ? high : 0;
  entry.compressedLow = entry.compressed ? low : 0;
  entry.copied = !entry.compressed && isCopied(high);
  entry.hostOffset = entry.compressed ? 0 : clusterOffset(high, low);
  entry.hosted = !entry.compressed && (entry.hostOffset !== 0 || (external && entry.copied));
}

function writeDescriptor(entries: DataView, at: number, entry: ClusterEntry, flags: number): void {
  const { hosted, hostOffset, copied } = entry;
  if (entry.compressed) {
    entries.setUint32(at, entry.compressedHigh);
    entries.setUint32(at + 4, entry.compressedLow);
    return;
  }
  const high = hosted ? Math.floor(hostOffset / TWO_32) : 0;
  entries.setUint32(at, hosted && copied ? setBits(high, COPIED_HIGH) : high);
  entries.setUint32(at + 4, (hosted ? hostOffset % TWO_32 : 0) + flags);
}

/** The host clusters that a compressed cluster touches. */
export function compressedClusters(entries: DataView, at: number, clusterBits: number): ClusterRun {
  const high = entries.getUint32(at);
  const low = entries.getUint32(at + 4);
  const offset = compressedOffset(high, low, clusterBits);
  const end = offset + compressedLength(high, low, clusterBits);
  const start = Math.floor(offset / powerOfTwo(clusterBits));
  return { start, count: Math.ceil(end / powerOfTwo(clusterBits)) - start };
}

/** Bits `from` to before `to`. */
export function bitRange(from: number, to: number): number {
  return powerOfTwo(to) - powerOfTwo(from);
}

/** Whether all bits of `mask` are set. */
export function hasAllBits(bits: number, mask: number): boolean {
  return maskBits(bits, mask) === mask;
}

/** Makes a cluster read what a descriptor of compressed data says. */
export function setCompressed(entry: ClusterEntry, high: number, low: number): void {
  entry.compressed = true;
  entry.compressedHigh = high;
  entry.compressedLow = low;
  entry.hosted = false;
  entry.copied = false;
  entry.zeroBits = 0;
  entry.dataBits = 0;
}

/** Makes subclusters read as zeros. */
export function setZero(entry: ClusterEntry, mask: number): void {
  entry.zeroBits = setBits(entry.zeroBits, mask);
  entry.dataBits = clearBits(entry.dataBits, mask);
}

/** Makes subclusters read what is in the host cluster. */
export function setData(entry: ClusterEntry, mask: number): void {
  entry.zeroBits = clearBits(entry.zeroBits, mask);
  entry.dataBits = setBits(entry.dataBits, mask);
}
