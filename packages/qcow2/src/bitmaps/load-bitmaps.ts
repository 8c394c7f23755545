/**
 * Takes over the bitmaps of an image that is opened for writing. Those in which writes are recorded
 * come into memory. One that cannot be kept up to date is marked as in use instead, so that nobody
 * relies on it; one whose clusters are not surely its own is left out. No bitmap may keep the disk
 * from being written.
 */
import { DiskError, powerOfTwo } from '@diskfile/bytes';
import { type DiskWarning, quote, type Step } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import type { DirectoryPlace } from './bitmap-directory.ts';
import { type BitmapEntry, FLAG, isAuto, isInUse, withFlag } from './bitmap-entry.ts';
import type { BitmapMemory } from './bitmap-memory.ts';
import { BitmapTable, TABLE_ENTRY_BYTES } from './bitmap-table.ts';
import { ClusterOwnership } from './cluster-ownership.ts';
import { DirtyBits } from './dirty-bits.ts';
import { judge, type LiveBitmap } from './live-bitmap.ts';
import { type ContentGeometry, StoredContent } from './stored-content.ts';

/** Share of the memory that tables may take; telling whose clusters are whose takes twice that. */
const TABLE_SHARE = 0.25;
const MAX_WARNINGS = 20;

interface ReadBitmap {
  readonly entry: BitmapEntry;
  readonly table: BitmapTable;
}

export class BitmapLoader {
  readonly #metadata: ImageMetadata;
  readonly #memory: BitmapMemory;
  readonly #warnUser: (warning: DiskWarning) => void;
  #warnings = 0;
  #tableBytesLeft: number;

  constructor(metadata: ImageMetadata, memory: BitmapMemory, warn: (warning: DiskWarning) => void) {
    this.#metadata = metadata;
    this.#memory = memory;
    this.#warnUser = warn;
    this.#tableBytesLeft = memory.leftBytes * TABLE_SHARE;
  }

  /** The bitmaps that can be kept; undefined when the directory lies where something else is. */
  *load(place: DirectoryPlace, entries: readonly BitmapEntry[]): Step<LiveBitmap[] | undefined> {
    const ownership = new ClusterOwnership(this.#metadata, place);
    if (!(yield* ownership.ownsDirectory())) return undefined;
    const read: ReadBitmap[] = [];
    for (const entry of entries) {
      const table = yield* this.#readTable(entry);
      if (table === undefined) this.#warnOfDropped(entry);
      else read.push({ entry, table });
    }
    const owned = yield* ownership.owned(read.map(({ table }) => table));
    const bitmaps: LiveBitmap[] = [];
    for (const [at, bitmap] of read.entries()) {
      if (owned[at]!) bitmaps.push(yield* this.#take(bitmap));
      else this.#warnOfDropped(bitmap.entry);
    }
    if (this.#warnings > MAX_WARNINGS) {
      this.#warnUser({
        detail: 'qcow2.bitmaps-damaged',
        message: `There are ${this.#warnings - MAX_WARNINGS} more warnings about bitmaps`,
      });
    }
    return bitmaps;
  }

  /** An image can have tens of thousands of bitmaps. */
  #warn(warning: DiskWarning): void {
    this.#warnings += 1;
    if (this.#warnings <= MAX_WARNINGS) this.#warnUser(warning);
  }

  /** The table of a bitmap; undefined where it is damaged, or takes too much memory. */
  *#readTable({ table: place }: BitmapEntry): Step<BitmapTable | undefined> {
    const { header, storage } = this.#metadata;
    const lengthBytes = place.entries * TABLE_ENTRY_BYTES;
    if (lengthBytes > this.#tableBytesLeft || !this.#memory.take(lengthBytes)) return undefined;
    // What turns out to be damaged counts as well: reading it took its time.
    this.#tableBytesLeft -= lengthBytes;
    try {
      return yield* BitmapTable.read(storage, place, header.clusterBytes);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
      this.#memory.giveBack(lengthBytes);
      return undefined;
    }
  }

  *#take({ entry, table }: ReadBitmap): Step<LiveBitmap> {
    const { clusterBytes, sizeBytes } = this.#metadata.header;
    const geometry = { clusterBytes, sizeBytes, granularityBits: entry.granularityBits };
    const unusable = judge(entry, table, geometry);
    if (!isAuto(entry) || isInUse(entry)) return { entry, bits: undefined, table, unusable };
    const bits = unusable === undefined ? yield* this.#readBits(table, geometry) : undefined;
    if (bits === undefined) return this.#giveUp(entry, table);
    if (bits.isCoarse) this.#warnOfCoarse(entry);
    bits.isModified = bits.isCoarse;
    return { entry, bits, table, unusable };
  }

  /** What the bitmap holds; undefined where it is damaged, or takes too much memory. */
  *#readBits(table: BitmapTable, geometry: ContentGeometry): Step<DirtyBits | undefined> {
    const granule = powerOfTwo(geometry.granularityBits);
    const bits = DirtyBits.create(geometry.sizeBytes, granule, this.#memory);
    if (bits === undefined) return undefined;
    try {
      yield* new StoredContent(this.#metadata.storage, table, geometry).addTo(bits);
      return bits;
    } catch (error) {
      bits.dispose();
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
      return undefined;
    }
  }

  #giveUp(entry: BitmapEntry, table: BitmapTable): LiveBitmap {
    this.#warn({
      detail: 'qcow2.bitmap-given-up',
      message: `The bitmap ${quote(entry.name)} is damaged, not understood, or too large for limits.maxStructureBytes: it is not kept up to date, and marked so`,
    });
    const inUse = withFlag(entry, FLAG.inUse, true);
    return { entry: inUse, bits: undefined, table, unusable: 'inconsistent' };
  }

  #warnOfDropped({ name }: BitmapEntry): void {
    this.#warn({
      detail: 'qcow2.bitmap-dropped',
      message: `Where the bitmap ${quote(name)} lies is damaged, used for something else, or too large for limits.maxStructureBytes: it is removed`,
    });
  }

  #warnOfCoarse({ name }: BitmapEntry): void {
    this.#warn({
      detail: 'qcow2.bitmap-coarse',
      message: `The bitmaps take more memory than limits.maxStructureBytes allows: ${quote(name)} now calls more dirty than is`,
    });
  }
}
