/**
 * Takes over the bitmaps of an image that is opened for writing. Those in which writes are recorded
 * come into memory. One that cannot be kept up to date is marked as in use instead, so that nobody
 * relies on it: no bitmap may keep the disk from being written.
 */
import { DiskError, divideUp, powerOfTwo } from '@diskfile/bytes';
import { type DiskWarning, quote, type Step } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import type { DirectoryPlace } from './bitmap-directory.ts';
import { type BitmapEntry, FLAG, isAuto, isInUse, withFlag } from './bitmap-entry.ts';
import type { BitmapMemory } from './bitmap-memory.ts';
import { BitmapTable, TABLE_ENTRY_BYTES } from './bitmap-table.ts';
import { ClusterClaims } from './cluster-claims.ts';
import { DirtyBits } from './dirty-bits.ts';
import { judge, type LiveBitmap } from './live-bitmap.ts';
import { type ContentGeometry, StoredContent } from './stored-content.ts';

export class BitmapLoader {
  readonly #metadata: ImageMetadata;
  readonly #memory: BitmapMemory;
  readonly #claims: ClusterClaims;
  readonly #warn: (warning: DiskWarning) => void;

  constructor(metadata: ImageMetadata, memory: BitmapMemory, warn: (warning: DiskWarning) => void) {
    this.#metadata = metadata;
    this.#memory = memory;
    this.#claims = new ClusterClaims(metadata);
    this.#warn = warn;
  }

  /** The bitmaps; undefined when the directory lies where something else is. */
  *load(
    { offset, lengthBytes }: DirectoryPlace,
    entries: readonly BitmapEntry[],
  ): Step<LiveBitmap[] | undefined> {
    const { clusterBytes } = this.#metadata.header;
    const own = [{ start: offset / clusterBytes, count: divideUp(lengthBytes, clusterBytes) }];
    if (!(yield* this.#claims.claim(own))) return undefined;
    const bitmaps: LiveBitmap[] = [];
    for (const entry of entries) bitmaps.push(yield* this.#take(entry));
    return bitmaps;
  }

  *#take(entry: BitmapEntry): Step<LiveBitmap> {
    const { clusterBytes, sizeBytes } = this.#metadata.header;
    const geometry = { clusterBytes, sizeBytes, granularityBits: entry.granularityBits };
    const table = yield* this.#openTable(entry);
    const unusable = judge(entry, table, geometry);
    if (!isAuto(entry) || isInUse(entry)) return { entry, bits: undefined, table, unusable };
    const bits = unusable === undefined ? yield* this.#readBits(table!, geometry) : undefined;
    if (bits === undefined) return this.#giveUp(entry, table);
    if (bits.isCoarse) this.#warnOfCoarse(entry);
    bits.isModified = bits.isCoarse;
    return { entry, bits, table, unusable };
  }

  /** The table of a bitmap; undefined where it is damaged, or takes too much memory. */
  *#openTable({ table: place }: BitmapEntry): Step<BitmapTable | undefined> {
    const { header, storage } = this.#metadata;
    if (!this.#memory.take(place.entries * TABLE_ENTRY_BYTES)) return undefined;
    try {
      const table = yield* BitmapTable.read(storage, place, header.clusterBytes);
      const runs = table.clusterRuns(header.clusterBytes);
      if (yield* this.#claims.claim(runs)) return table;
    } catch (error) {
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
    }
    this.#memory.giveBack(place.entries * TABLE_ENTRY_BYTES);
    return undefined;
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

  #giveUp(entry: BitmapEntry, table: BitmapTable | undefined): LiveBitmap {
    this.#warn({
      detail: 'qcow2.bitmap-given-up',
      message: `The bitmap ${quote(entry.name)} is damaged, not understood, or too large for limits.maxStructureBytes: it is not kept up to date, and marked so`,
    });
    const inUse = withFlag(entry, FLAG.inUse, true);
    return { entry: inUse, bits: undefined, table, unusable: 'inconsistent' };
  }

  #warnOfCoarse({ name }: BitmapEntry): void {
    this.#warn({
      detail: 'qcow2.bitmap-coarse',
      message: `The bitmaps take more memory than limits.maxStructureBytes allows: ${quote(name)} now calls more dirty than is`,
    });
  }
}
