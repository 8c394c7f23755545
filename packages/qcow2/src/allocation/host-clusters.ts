/** Where the clusters of an image lie, and what is refused of entries that point at them. */
import { dataIn, dataOf, type Extent, type Storage } from '@diskfile/core';
import { CODEC_IDS, type CompressedClusters } from '../compressed-clusters.ts';
import { checkReach, corrupt, hex } from '../errors.ts';
import type { ImageEncryption } from '../encryption.ts';
import { l2CoverageBytes, type Qcow2Header } from '../header/header.ts';
import { type ClusterKind, compressedLength, compressedOffset } from '../tables/l2-entry.ts';
import type { TableSlice } from '../tables/table-cache.ts';

export class HostClusters {
  readonly clusterBytes: number;
  /** Holds the data clusters: the external data file where there is one. */
  readonly storage: Storage;
  readonly isExternal: boolean;
  /** Version 2 has no zero flag; QEMU refuses images of that version which set it. */
  zeroFlagAllowed: boolean;
  readonly #clusterBits: number;
  /** Of an L2 table. */
  readonly #tableEntries: number;
  readonly encryption: ImageEncryption | undefined;
  readonly #compressed: CompressedClusters;

  constructor(
    header: Qcow2Header,
    storage: Storage,
    dataFile: Storage | undefined,
    compressed: CompressedClusters,
    encryption: ImageEncryption | undefined,
  ) {
    this.clusterBytes = header.clusterBytes;
    this.storage = dataFile === undefined ? dataOf(storage) : dataIn(storage, dataFile);
    this.isExternal = dataFile !== undefined;
    this.zeroFlagAllowed = header.version >= 3;
    this.#clusterBits = header.clusterBits;
    this.#tableEntries = l2CoverageBytes(header) / header.clusterBytes;
    this.encryption = encryption;
    this.#compressed = compressed;
  }

  /** The image has another version now, or another compression type and no compressed clusters. */
  follow({ version, compressionType }: Qcow2Header): void {
    this.zeroFlagAllowed = version >= 3;
    this.#compressed.use(CODEC_IDS[compressionType]);
  }

  /**
   * Refuses a host cluster at a place where none can be.
   * @param guestOffset start of the guest cluster that the entry maps
   * @param entryOffset of the entry, in the image file
   */
  check(hostOffset: number, guestOffset: number, entryOffset: number): void {
    if (hostOffset % this.clusterBytes !== 0) {
      throw corrupt(
        'qcow2.l2-entry-unaligned',
        `The L2 entry for guest offset ${hex(guestOffset)} names host offset ${hex(hostOffset)}, which is no multiple of the cluster size ${this.clusterBytes}`,
        { offset: entryOffset },
      );
    }
    checkReach(hostOffset, entryOffset);
    // Specification, "Standard Cluster Descriptor": the data file maps one to one.
    if (this.isExternal && hostOffset !== guestOffset) {
      throw corrupt(
        'qcow2.data-file-offset',
        `Guest offset ${hex(guestOffset)} is mapped to ${hex(hostOffset)} of the data file by entry ${(guestOffset / this.clusterBytes) % this.#tableEntries} of an L2 table; the two must be equal`,
        { offset: entryOffset },
      );
    }
  }

  /**
   * What gives the guest bytes at `guestOffset`, which lie at `hostOffset`.
   * @throws DiskError `wrong-key` while an encrypted image is locked
   */
  dataAt(hostOffset: number, guestOffset: number): Storage {
    return this.encryption === undefined
      ? this.storage
      : this.encryption.at(hostOffset, guestOffset);
  }

  /** @param hostOffset where the first byte asked for lies, for the kinds that have a cluster. */
  fill(
    extent: Extent,
    kind: ClusterKind,
    hostOffset: number,
    guestOffset: number,
    lengthBytes: number,
  ): boolean {
    const { storage } = this;
    if (kind === 'data') {
      extent.setData(this.dataAt(hostOffset, guestOffset), hostOffset, lengthBytes);
    } else if (kind === 'zero') extent.setZero(lengthBytes);
    else if (kind === 'zero-ready') extent.setZero(lengthBytes, storage, hostOffset);
    else if (kind === 'unallocated') extent.setBacking(lengthBytes);
    else extent.setBacking(lengthBytes, storage, hostOffset);
    return true;
  }

  /** Fills the extent of a compressed cluster; false while the decoder is not loaded. */
  fillCompressed(
    extent: Extent,
    slice: TableSlice,
    entryAt: number,
    skipBytes: number,
    lengthBytes: number,
  ): boolean {
    const high = slice.entries.getUint32(entryAt);
    const low = slice.entries.getUint32(entryAt + 4);
    if (this.isExternal) {
      throw corrupt(
        'qcow2.data-file-compressed',
        'There is a compressed cluster in an image with an external data file',
        { offset: slice.hostOffset + entryAt },
      );
    }
    const hostOffset = compressedOffset(high, low, this.#clusterBits);
    checkReach(hostOffset, slice.hostOffset + entryAt);
    const encodedLength = compressedLength(high, low, this.#clusterBits);
    return this.#compressed.fill(extent, hostOffset, encodedLength, skipBytes, lengthBytes);
  }
}

/** Whether a kind comes with a host cluster, whose place then matters. */
export function hasHostCluster(kind: ClusterKind): boolean {
  return kind === 'data' || kind === 'zero-ready' || kind === 'unallocated-ready';
}
