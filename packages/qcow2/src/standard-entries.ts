/** L2 tables of 8-byte entries: one descriptor a cluster. */
import type { Extent } from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { hasHostCluster, type HostClusters } from './host-clusters.ts';
import {
  type ClusterKind,
  clusterOffset,
  isCompressed,
  isCopied,
  isZeroFlagged,
} from './l2-entry.ts';
import type { L2Entries } from './l2-entries.ts';
import type { TableSlice } from './table-cache.ts';

const ENTRY_BYTES = 8;

export class StandardEntries implements L2Entries {
  readonly #clusters: HostClusters;
  /** Version 2 has no zero flag; QEMU refuses images of that version which set it. */
  readonly #zeroFlagAllowed: boolean;

  constructor(clusters: HostClusters, version: 2 | 3) {
    this.#clusters = clusters;
    this.#zeroFlagAllowed = version >= 3;
  }

  needsDecoder(slice: TableSlice, guestOffset: number): boolean {
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
    const high = entries.getUint32(at);
    if (isCompressed(high)) {
      return clusters.fillCompressed(extent, slice, at, skipBytes, lengthBytes);
    }
    const low = entries.getUint32(at + 4);
    const kind = this.#kindOf(high, low);
    const hostOffset = clusterOffset(high, low);
    const hosted = hasHostCluster(kind);
    if (hosted) clusters.check(hostOffset, guestOffset - skipBytes, slice.hostOffset + at);
    if (!this.#zeroFlagAllowed && isZeroFlagged(low)) throw zeroFlagInVersion2(slice, at);

    const wanted = skipBytes + lengthBytes;
    let covered = clusterBytes;
    for (at += ENTRY_BYTES; covered < wanted && at < entries.byteLength; at += ENTRY_BYTES) {
      const nextHigh = entries.getUint32(at);
      const nextLow = entries.getUint32(at + 4);
      if (isCompressed(nextHigh) || this.#kindOf(nextHigh, nextLow) !== kind) break;
      if (hosted && clusterOffset(nextHigh, nextLow) !== hostOffset + covered) break;
      covered += clusterBytes;
    }
    const reached = Math.min(covered, wanted) - skipBytes;
    return clusters.fill(extent, kind, hostOffset + skipBytes, reached);
  }

  #kindOf(high: number, low: number): ClusterKind {
    const hasOffset = clusterOffset(high, low) !== 0;
    if (isZeroFlagged(low)) return hasOffset ? 'zero-ready' : 'zero';
    // Offset 0 is a place in an external data file, where the copied bit then tells it from none.
    const inUse = hasOffset || (this.#clusters.isExternal && isCopied(high));
    return inUse ? 'data' : 'unallocated';
  }
}

function zeroFlagInVersion2(slice: TableSlice, entryAt: number): Error {
  return corrupt(
    'qcow2.l2-entry-zero-flag',
    `The L2 entry at ${hex(slice.hostOffset + entryAt)} has the zero flag, which version 2 does not have`,
    { offset: slice.hostOffset + entryAt },
  );
}
