/** L2 tables of qcow version 1: a bare offset, or one with the length of a compressed cluster. */
import { bitField, DiskError, testBit } from '@diskfile/bytes';
import type { Extent, Storage } from '@diskfile/core';
import type { CompressedClusters } from '../compressed-clusters.ts';
import { checkReach, corrupt, hex } from '../errors.ts';
import type { L2Entries } from '../l2-entries.ts';
import type { TableSlice } from '../table-cache.ts';
import type { QcowHeader } from './header.ts';

const ENTRY_BYTES = 8;
const SECTOR_BYTES = 512;
const TWO_32 = 0x1_0000_0000;

export class QcowEntries implements L2Entries {
  readonly #header: QcowHeader;
  readonly #storage: Storage;
  readonly #compressed: CompressedClusters;

  constructor(header: QcowHeader, storage: Storage, compressed: CompressedClusters) {
    this.#header = header;
    this.#storage = storage;
    this.#compressed = compressed;
  }

  isCompressed(slice: TableSlice, guestOffset: number): boolean {
    const { clusterBytes } = this.#header;
    const index = Math.floor((guestOffset - slice.startGuestOffset) / clusterBytes);
    return isCompressed(slice.entries.getUint32(index * ENTRY_BYTES));
  }

  map(slice: TableSlice, guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { entries } = slice;
    const { clusterBytes } = this.#header;
    const inSlice = guestOffset - slice.startGuestOffset;
    const index = Math.floor(inSlice / clusterBytes);
    const skipBytes = inSlice - index * clusterBytes;
    let at = index * ENTRY_BYTES;
    if (isCompressed(entries.getUint32(at))) {
      return this.#fillCompressed(extent, slice, at, skipBytes, lengthBytes);
    }
    const hostOffset = offsetAt(entries, at);
    const wanted = skipBytes + lengthBytes;
    let covered = clusterBytes;
    for (at += ENTRY_BYTES; covered < wanted && at < entries.byteLength; at += ENTRY_BYTES) {
      if (isCompressed(entries.getUint32(at))) break;
      const next = offsetAt(entries, at);
      if (next !== (hostOffset === 0 ? 0 : hostOffset + covered)) break;
      covered += clusterBytes;
    }
    const reached = Math.min(covered, wanted) - skipBytes;
    if (hostOffset === 0) extent.setBacking(reached);
    else {
      this.#checkData(hostOffset, slice.hostOffset + index * ENTRY_BYTES);
      extent.setData(this.#storage, hostOffset + skipBytes, reached);
    }
    return true;
  }

  #checkData(hostOffset: number, entryOffset: number): void {
    if (this.#header.encryption !== undefined) throw encrypted();
    checkReach(hostOffset, entryOffset);
    if (hostOffset % SECTOR_BYTES === 0) return;
    throw corrupt(
      'qcow.l2-entry-unaligned',
      `An L2 entry places a cluster at ${hex(hostOffset)}, which is not where a sector begins`,
      { offset: entryOffset },
    );
  }

  /** The offset takes the bits below 63 - cluster_bits, the length in bytes those above. */
  #fillCompressed(
    extent: Extent,
    slice: TableSlice,
    at: number,
    skipBytes: number,
    lengthBytes: number,
  ): boolean {
    const { clusterBits, encryption } = this.#header;
    if (encryption !== undefined) throw encrypted();
    const high = slice.entries.getUint32(at);
    const offsetBits = 63 - clusterBits;
    const hostOffset =
      bitField(high, 0, offsetBits - 32) * TWO_32 + slice.entries.getUint32(at + 4);
    checkReach(hostOffset, slice.hostOffset + at);
    const encodedLength = bitField(high, offsetBits - 32, clusterBits);
    return this.#compressed.fill(extent, hostOffset, encodedLength, skipBytes, lengthBytes);
  }
}

function encrypted(): DiskError {
  return new DiskError(
    'unsupported',
    'qcow.encrypted',
    'The image is encrypted (AES-CBC), which is not read in this format',
    { hint: 'Decrypt it first with "qemu-img convert" and its "--object secret" option.' },
  );
}

function isCompressed(high: number): boolean {
  return testBit(high, 31);
}

function offsetAt(entries: DataView, at: number): number {
  return entries.getUint32(at) * TWO_32 + entries.getUint32(at + 4);
}
