/** L2 tables of 8-byte entries: one descriptor a cluster. */
import { clearBits, maskBits } from '@diskfile/bytes';
import type { Extent } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { hasHostCluster, type HostClusters } from '../allocation/host-clusters.ts';
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
const TWO_32 = 0x1_0000_0000;
/** Bits 1 to 8; QEMU takes no notice of reserved bits. */
const RESERVED_LOW = 0x1fe;
/** Bit 62 and the offset. */
const TYPE_AND_OFFSET_HIGH = 0x40ff_ffff;
/** The same and bit 63, which has a meaning for offset 0 of an external data file. */
const COPIED_TYPE_AND_OFFSET_HIGH = 0xc0ff_ffff;

export class StandardEntries implements L2Entries {
  readonly #clusters: HostClusters;
  readonly #meaningfulHigh: number;

  constructor(clusters: HostClusters) {
    this.#clusters = clusters;
    this.#meaningfulHigh = clusters.isExternal ? COPIED_TYPE_AND_OFFSET_HIGH : TYPE_AND_OFFSET_HIGH;
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
    const at = index * ENTRY_BYTES;
    const high = entries.getUint32(at);
    if (isCompressed(high)) {
      return clusters.fillCompressed(extent, slice, at, skipBytes, lengthBytes);
    }
    const low = entries.getUint32(at + 4);
    const kind = this.#kindOf(high, low);
    const hostOffset = clusterOffset(high, low);
    const hosted = hasHostCluster(kind);
    if (hosted) clusters.check(hostOffset, guestOffset - skipBytes, slice.hostOffset + at);
    if (isZeroFlagged(low) && !clusters.zeroFlagAllowed) throw zeroFlagInVersion2(slice, at);

    const wanted = skipBytes + lengthBytes;
    const runEnd = Math.min(
      at + Math.ceil(wanted / clusterBytes) * ENTRY_BYTES,
      entries.byteLength,
    );
    const clusterCount = this.#runLength(entries, at, runEnd, hosted ? clusterBytes : 0);
    const reached = Math.min(clusterCount * clusterBytes, wanted) - skipBytes;
    return clusters.fill(extent, kind, hostOffset + skipBytes, guestOffset, reached);
  }

  /** Entries from `at` on that say the same, host offsets `stepBytes` apart. */
  #runLength(entries: DataView, at: number, end: number, stepBytes: number): number {
    let high = maskBits(entries.getUint32(at), this.#meaningfulHigh);
    let low = clearBits(entries.getUint32(at + 4), RESERVED_LOW);
    let next = at + ENTRY_BYTES;
    for (; next < end; next += ENTRY_BYTES) {
      low += stepBytes;
      if (low >= TWO_32) {
        low -= TWO_32;
        high += 1;
      }
      if (clearBits(entries.getUint32(next + 4), RESERVED_LOW) !== low) break;
      if (maskBits(entries.getUint32(next), this.#meaningfulHigh) !== high) break;
    }
    return (next - at) / ENTRY_BYTES;
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
