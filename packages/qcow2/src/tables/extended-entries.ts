/**
 * L2 tables of 16-byte entries: a descriptor and a bitmap for 32 subclusters (specification,
 * "Extended L2 Entries").
 */
import { maskBits, testBit } from '@diskfile/bytes';
import type { Extent } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { hasHostCluster, type HostClusters } from '../allocation/host-clusters.ts';
import type { L2Entries } from './l2-entries.ts';
import { type ClusterKind, clusterOffset, isCompressed, isCopied } from './l2-entry.ts';
import type { TableSlice } from './table-cache.ts';

const ENTRY_BYTES = 16;
const SUBCLUSTERS = 32;
const ALL_BITS = 0xffff_ffff;

export class ExtendedEntries implements L2Entries {
  readonly #clusters: HostClusters;
  readonly #subclusterBytes: number;

  constructor(clusters: HostClusters) {
    this.#clusters = clusters;
    this.#subclusterBytes = clusters.clusterBytes / SUBCLUSTERS;
  }

  isCompressed(slice: TableSlice, guestOffset: number): boolean {
    const { clusterBytes } = this.#clusters;
    const index = Math.floor((guestOffset - slice.startGuestOffset) / clusterBytes);
    return isCompressed(slice.entries.getUint32(index * ENTRY_BYTES));
  }

  map(slice: TableSlice, guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { entries } = slice;
    const clusters = this.#clusters;
    const { clusterBytes } = clusters;
    const inSlice = guestOffset - slice.startGuestOffset;
    const index = Math.floor(inSlice / clusterBytes);
    const skipBytes = inSlice - index * clusterBytes;
    let at = index * ENTRY_BYTES;
    if (isCompressed(entries.getUint32(at))) {
      return clusters.fillCompressed(extent, slice, at, skipBytes, lengthBytes);
    }
    if (!this.#isValid(entries, at)) throw invalidBitmap(slice, at, clusterBytes);
    const subcluster = Math.floor(skipBytes / this.#subclusterBytes);
    const kind = this.#kindOf(entries, at, subcluster);
    const hostOffset = offsetAt(entries, at);
    const hosted = hasHostCluster(kind);
    if (hosted) clusters.check(hostOffset, guestOffset - skipBytes, slice.hostOffset + at);

    const wanted = skipBytes + lengthBytes;
    let covered = this.#runEnd(entries, at, subcluster, kind);
    let reachesNext = covered === clusterBytes;
    for (at += ENTRY_BYTES; reachesNext && covered < wanted && at < entries.byteLength;) {
      if (!this.#continues(entries, at, kind)) break;
      if (hosted && offsetAt(entries, at) !== hostOffset + covered) break;
      const more = this.#runEnd(entries, at, 0, kind);
      covered += more;
      reachesNext = more === clusterBytes;
      at += ENTRY_BYTES;
    }
    const reached = Math.min(covered, wanted) - skipBytes;
    return clusters.fill(extent, kind, hostOffset + skipBytes, guestOffset, reached);
  }

  #continues(entries: DataView, at: number, kind: ClusterKind): boolean {
    if (isCompressed(entries.getUint32(at)) || !this.#isValid(entries, at)) return false;
    return this.#kindOf(entries, at, 0) === kind;
  }

  /** End of the run of subclusters of one kind, in bytes from the start of the cluster. */
  #runEnd(entries: DataView, at: number, from: number, kind: ClusterKind): number {
    const zeroBits = zeroBitsAt(entries, at);
    const dataBits = dataBitsAt(entries, at);
    const uniform =
      (zeroBits === 0 && (dataBits === 0 || dataBits === ALL_BITS)) || zeroBits === ALL_BITS;
    let end = uniform ? SUBCLUSTERS : from + 1;
    while (end < SUBCLUSTERS && this.#kindOf(entries, at, end) === kind) end += 1;
    return end * this.#subclusterBytes;
  }

  #kindOf(entries: DataView, at: number, subcluster: number): ClusterKind {
    const inUse = this.#hasCluster(entries, at);
    if (testBit(zeroBitsAt(entries, at), subcluster)) return inUse ? 'zero-ready' : 'zero';
    if (!inUse) return 'unallocated';
    return testBit(dataBitsAt(entries, at), subcluster) ? 'data' : 'unallocated-ready';
  }

  /** Bit 0 is reserved here: the bitmap says what is zero. */
  #hasCluster(entries: DataView, at: number): boolean {
    const high = entries.getUint32(at);
    // Offset 0 is a place in an external data file, where the copied bit then tells it from none.
    return offsetAt(entries, at) !== 0 || (this.#clusters.isExternal && isCopied(high));
  }

  /** No subcluster is both data and zero, and none is data without a cluster. */
  #isValid(entries: DataView, at: number): boolean {
    const dataBits = dataBitsAt(entries, at);
    if (dataBits === 0) return true;
    return this.#hasCluster(entries, at) && maskBits(dataBits, zeroBitsAt(entries, at)) === 0;
  }
}

function offsetAt(entries: DataView, at: number): number {
  return clusterOffset(entries.getUint32(at), entries.getUint32(at + 4));
}

/** Bits 32 to 63 of the bitmap: which subclusters read as zeros. */
function zeroBitsAt(entries: DataView, at: number): number {
  return entries.getUint32(at + 8);
}

/** Bits 0 to 31 of the bitmap: which subclusters are allocated. */
function dataBitsAt(entries: DataView, at: number): number {
  return entries.getUint32(at + 12);
}

/**
 * The refusal of an entry whose bitmap contradicts it.
 * @param isWritten whether the cluster was to be written
 */
export function invalidBitmap(
  { hostOffset }: TableSlice,
  entryAt: number,
  clusterBytes: number,
  isWritten = false,
): Error {
  const offset = hostOffset + entryAt;
  const inTable = offset % clusterBytes;
  return corrupt(
    isWritten ? 'qcow2.write-entry-bitmap' : 'qcow2.l2-entry-bitmap',
    `Entry ${inTable / ENTRY_BYTES} of the L2 table at ${hex(offset - inTable)} calls subclusters allocated that cannot be`,
    { offset },
  );
}
