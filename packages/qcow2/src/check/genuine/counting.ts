/** Goes through all that an image refers to, counts it, and tells of what makes no sense. */
import { alignUp, divideUp, hasAnyBit, readU32be } from '@diskfile/bytes';
import {
  isWritable,
  type Limits,
  readBytes,
  type Step,
  type Storage,
  writeBytes,
} from '@diskfile/core';
import {
  clusterOffset,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
  isZeroFlagged,
} from '../../tables/l2-entry.ts';
import type { Qcow2Header } from '../../header/header.ts';
import { ReferenceTally } from '../../refcounts/reference-tally.ts';
import { CheckStopped, hex64, hexOffset, type Transcript } from './transcript.ts';
import type { MetadataPlaces } from './metadata-places.ts';
import type { WorkBudget } from './work-budget.ts';

/** QEMU measures files in whole ones. */
const SECTOR_BYTES = 512;
/** Bits 56 to 61, and 1 to 8 of a standard cluster descriptor. */
const L2_RESERVED = { high: 0x3f00_0000, low: 0x1fe } as const;
/** Bits 56 to 62, and 0 to 8 of an L1 entry. */
const L1_RESERVED = { high: 0x7f00_0000, low: 0x1ff } as const;

export interface CountedImage {
  readonly storage: Storage;
  readonly header: Qcow2Header;
  readonly external: boolean;
  readonly limits: Limits;
  readonly budget: WorkBudget;
  /** Whether entries may be changed. */
  readonly mends: boolean;
  readonly countMax: number;
}

/** An L1 table, of the active state or of a snapshot. */
export interface CountedTable {
  readonly hostOffset: number;
  readonly entries: number;
  readonly isActive: boolean;
}

export class Counting {
  /** References by cluster. */
  readonly tally: ReferenceTally;
  /** Clusters of the file, or more where new structures lie behind its end. */
  clusters: number;
  readonly #image: CountedImage;
  readonly #transcript: Transcript;
  readonly #places: MetadataPlaces;
  /** Where the next cluster would lie if the file were in order; 0 before the first. */
  #expectedOffset = 0;

  constructor(image: CountedImage, transcript: Transcript, places: MetadataPlaces) {
    this.#image = image;
    this.#transcript = transcript;
    this.#places = places;
    this.tally = new ReferenceTally(image.limits.maxStructureBytes);
    this.clusters = divideUp(image.storage.sizeBytes, image.header.clusterBytes);
  }

  count(clusterIndex: number): number {
    return Math.min(this.tally.get(clusterIndex), this.#image.countMax);
  }

  add(hostOffset: number, lengthBytes: number): void {
    if (lengthBytes <= 0) return;
    const { clusterBytes } = this.#image.header;
    const fileBytes = alignUp(this.#image.storage.sizeBytes, SECTOR_BYTES);
    if (hostOffset + lengthBytes - fileBytes >= clusterBytes) {
      this.#transcript.corruption(
        () =>
          'ERROR: counting reference for region exceeding the end of the file by one cluster or ' +
          `more: offset 0x${hexOffset(hostOffset)} size 0x${hexOffset(lengthBytes)}`,
      );
      return;
    }
    const start = Math.floor(hostOffset / clusterBytes);
    const end = divideUp(hostOffset + lengthBytes, clusterBytes);
    this.#image.budget.spend(end - start);
    for (let index = start; index < end; index++) {
      if (this.tally.get(index) >= this.#image.countMax) this.#overflow(index * clusterBytes);
      else this.tally.addRun(index, 1, 1);
    }
    if (end > this.clusters) this.clusters = end;
  }

  #overflow(hostOffset: number): void {
    this.#transcript.corruption(() => `ERROR: overflow cluster offset=0x${hexOffset(hostOffset)}`);
    this.#transcript.say(
      'Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a ' +
        'clean copy if the image cannot be opened for writing',
    );
  }

  *addL1({ hostOffset, entries, isActive }: CountedTable): Step<void> {
    if (entries === 0) return;
    this.add(hostOffset, entries * 8);
    this.#image.budget.spend(entries);
    const table = yield* readBytes(this.#image.storage, hostOffset, entries * 8);
    for (let at = 0; at < table.length; at += 8) {
      const high = readU32be(table, at);
      const low = readU32be(table, at + 4);
      if (high === 0 && low === 0) continue;
      if (hasAnyBit(high, L1_RESERVED.high) || hasAnyBit(low, L1_RESERVED.low)) {
        this.#transcript.corruption(
          () => `ERROR found L1 entry with reserved bits set: ${hex64(high, low)}`,
        );
      }
      const tableOffset = clusterOffset(high, low);
      this.add(tableOffset, this.#image.header.clusterBytes);
      if (tableOffset % this.#image.header.clusterBytes !== 0) {
        this.#transcript.corruption(
          () =>
            `ERROR l2_offset=${hexOffset(tableOffset)}: Table is not cluster aligned; L1 entry corrupted`,
        );
      }
      yield* this.#addL2(tableOffset, isActive);
    }
  }

  *#addL2(tableOffset: number, isActive: boolean): Step<void> {
    const { storage, header } = this.#image;
    const entryBytes = header.extendedL2 ? 16 : 8;
    this.#image.budget.spend(header.clusterBytes / entryBytes);
    const table = yield* readBytes(storage, tableOffset, header.clusterBytes);
    this.#expectedOffset = 0;
    for (let at = 0; at < table.length; at += entryBytes) {
      const high = readU32be(table, at);
      const low = readU32be(table, at + 4);
      // Without a cluster, subclusters may read as zeros and none may be allocated.
      if (high === 0 && low === 0 && (!header.extendedL2 || readU32be(table, at + 12) === 0))
        continue;
      const isMended = this.#addEntry({ table, at, high, low, isActive });
      if (!isMended) continue;
      yield* this.#writeWithoutCluster(table, at, tableOffset, isActive);
    }
  }

  /** @returns whether the entry is to lose its host cluster, which holds nothing */
  #addEntry(entry: {
    readonly table: Uint8Array;
    readonly at: number;
    readonly high: number;
    readonly low: number;
    readonly isActive: boolean;
  }): boolean {
    const { table, at, high, low, isActive } = entry;
    const { header, external, mends } = this.#image;
    const allocated = header.extendedL2 ? readU32be(table, at + 12) : 0;
    const zeros = header.extendedL2 ? readU32be(table, at + 8) : 0;
    if (isCompressed(high)) {
      this.#addCompressed(entry, allocated + zeros !== 0);
      return false;
    }
    if (hasAnyBit(high, L2_RESERVED.high) || hasAnyBit(low, L2_RESERVED.low)) {
      this.#transcript.corruption(
        () => `ERROR found l2 entry with reserved bits set: ${hex64(high, low)}`,
      );
    }
    const hostOffset = clusterOffset(high, low);
    const isZero = !header.extendedL2 && isZeroFlagged(low);
    if (hostOffset === 0 && !(external && isCopied(high) && !isZero)) {
      if (allocated !== 0) {
        this.#transcript.corruption(
          'ERROR: Unallocated cluster has non-zero subcluster allocation map',
        );
      }
      return false;
    }
    const shown = () => hexOffset(hostOffset);
    if (hasAnyBit(zeros, allocated)) {
      this.#transcript.corruption(
        () =>
          `ERROR offset=${shown()}: Allocated cluster has corrupted subcluster allocation bitmap`,
      );
    }
    if (hostOffset % header.clusterBytes !== 0) {
      const holdsData = header.extendedL2 ? allocated !== 0 : !isZero;
      if (holdsData) {
        this.#transcript.corruption(
          () =>
            `ERROR offset=${shown()}: Data cluster is not properly aligned; L2 entry corrupted.`,
        );
      } else {
        this.#transcript.corruption(
          () =>
            `${mends ? 'Repairing' : 'ERROR'} offset=${shown()}: Preallocated cluster is not properly ` +
            'aligned; L2 entry corrupted.',
        );
        if (mends) return true;
      }
    }
    if (isActive) this.#noteActive(hostOffset);
    if (!external) this.add(hostOffset, header.clusterBytes);
    return false;
  }

  #noteActive(hostOffset: number): void {
    const transcript = this.#transcript;
    transcript.allocatedClusters += 1;
    if (this.#expectedOffset !== 0 && hostOffset !== this.#expectedOffset) {
      transcript.fragmentedClusters += 1;
    }
    this.#expectedOffset = hostOffset + this.#image.header.clusterBytes;
  }

  #addCompressed(
    entry: { table: Uint8Array; at: number; high: number; low: number; isActive: boolean },
    hasBitmap: boolean,
  ): void {
    const { header, external } = this.#image;
    const { low, at, isActive } = entry;
    let { high } = entry;
    const transcript = this.#transcript;
    const hostOffset = compressedOffset(high, low, header.clusterBits);
    if (isCopied(high)) {
      transcript.corruption(
        () =>
          `ERROR: coffset=0x${hexOffset(hostOffset)}: copied flag must never be set for compressed clusters`,
      );
      high -= 0x8000_0000;
    }
    const index = at / (header.extendedL2 ? 16 : 8);
    if (external) {
      transcript.corruption(
        `ERROR compressed cluster ${index} with data file, entry=0x${hex64(high, low)}`,
      );
      return;
    }
    if (hasBitmap) {
      transcript.corruption(
        `ERROR compressed cluster ${index} with non-zero subcluster allocation bitmap, ` +
          `entry=0x${hex64(high, low)}`,
      );
      return;
    }
    this.add(hostOffset, compressedLength(high, low, header.clusterBits));
    if (!isActive) return;
    transcript.allocatedClusters += 1;
    transcript.compressedClusters += 1;
    transcript.fragmentedClusters += 1;
  }

  /** @throws CheckStopped where the table lies on other metadata */
  *#writeWithoutCluster(
    table: Uint8Array,
    at: number,
    tableOffset: number,
    isActive: boolean,
  ): Step<void> {
    const { header, storage } = this.#image;
    const what = this.#places.at(
      tableOffset + at,
      isActive ? 'active L2 table' : 'inactive L2 table',
    );
    if (what !== undefined) {
      yield* this.#places.markCorrupt(what, this.#transcript);
      this.#transcript.checkError('ERROR: Overlap check failed');
      throw new CheckStopped('EIO');
    }
    const entryBytes = header.extendedL2 ? 16 : 8;
    const entry = table.subarray(at, at + entryBytes);
    // Subclusters without data keep what they read as; none of them has any here.
    entry.fill(0, 0, 8);
    if (!header.extendedL2) entry[7] = 1;
    if (!isWritable(storage)) throw new Error('assertion failed: the storage is writable');
    yield* writeBytes(storage, entry, tableOffset + at);
    this.#transcript.corruptions -= 1;
    this.#transcript.corruptionsFixed += 1;
  }
}
