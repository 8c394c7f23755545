/** What a bitmap holds, read from the image file as it is asked for. */
import { divideUp, nextClearBit, nextSetBit, powerOfTwo } from '@diskfile/bytes';
import { type DirtyGuestRange, readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { bitmapBytes, granuleCount } from './bitmap-geometry.ts';
import { ALL_ONES, ALL_ZEROS, type BitmapTable } from './bitmap-table.ts';
import type { DirtyBits } from './dirty-bits.ts';

export interface ContentGeometry {
  readonly clusterBytes: number;
  /** Virtual size of the disk. */
  readonly sizeBytes: number;
  readonly granularityBits: number;
}

/** Entries of the table that a bitmap has. */
export function tableEntries(geometry: ContentGeometry): number {
  const { clusterBytes, sizeBytes, granularityBits } = geometry;
  return divideUp(bitmapBytes(sizeBytes, granularityBits), clusterBytes);
}

export class StoredContent {
  readonly #storage: Storage;
  readonly #table: BitmapTable;
  readonly #geometry: ContentGeometry;
  readonly #granule: number;
  /** The part of the bits that was read last. */
  #last: { readonly index: number; readonly bits: Uint8Array } | undefined;

  /** @throws DiskError `corrupt` when the table is not that of such a bitmap */
  constructor(storage: Storage, table: BitmapTable, geometry: ContentGeometry) {
    this.#storage = storage;
    this.#table = table;
    this.#geometry = geometry;
    this.#granule = powerOfTwo(geometry.granularityBits);
    if (table.place.entries === tableEntries(geometry)) return;
    throw corrupt(
      'qcow2.bitmap-table-size',
      `The bitmap table at ${hex(table.place.offset)} has ${table.place.entries} entries where the disk needs ${tableEntries(geometry)}`,
      { offset: table.place.offset },
    );
  }

  /** See {@link BitmapReader.nextDirty}. */
  *nextDirty(guestOffset: number, end: number): Step<DirtyGuestRange | undefined> {
    const granule = this.#granule;
    const stop = Math.min(end, this.#geometry.sizeBytes);
    if (guestOffset >= stop) return undefined;
    const lastBit = granuleCount(stop, granule);
    const from = yield* this.#find(true, Math.floor(guestOffset / granule), lastBit);
    if (from >= lastBit) return undefined;
    const to = yield* this.#find(false, from, lastBit);
    const start = Math.max(guestOffset, from * granule);
    return { guestOffset: start, lengthBytes: Math.min(to * granule, stop) - start };
  }

  /** The first bit that is `set`, or is not; `to` when there is none. */
  *#find(set: boolean, from: number, to: number): Step<number> {
    const bitsPerCluster = this.#geometry.clusterBytes * 8;
    for (let at = from; at < to;) {
      const index = Math.floor(at / bitsPerCluster);
      const start = index * bitsPerCluster;
      const end = Math.min(to, start + bitsPerCluster);
      const cluster = this.#table.clusterAt(index);
      if (cluster === (set ? ALL_ONES : ALL_ZEROS)) return at;
      if (cluster > ALL_ONES) {
        const bits = yield* this.#read(index, cluster);
        const search = set ? nextSetBit : nextClearBit;
        const found = start + search(bits, at - start, end - start);
        if (found < end) return found;
      }
      at = end;
    }
    return to;
  }

  *#read(index: number, cluster: number): Step<Uint8Array> {
    if (this.#last?.index === index) return this.#last.bits;
    const bits = yield* readBytes(this.#storage, cluster, this.#usedBytes(index, cluster));
    this.#last = { index, bits };
    return bits;
  }

  /** Bytes of a cluster that belong to the bitmap. @throws DiskError `corrupt` where the file ends */
  #usedBytes(index: number, cluster: number): number {
    const { clusterBytes, sizeBytes, granularityBits } = this.#geometry;
    const left = bitmapBytes(sizeBytes, granularityBits) - index * clusterBytes;
    const lengthBytes = Math.min(clusterBytes, left);
    if (cluster + lengthBytes <= this.#storage.sizeBytes) return lengthBytes;
    throw corrupt('qcow2.bitmap-cut', `The file ends within a bitmap, at ${hex(cluster)}`, {
      offset: cluster,
    });
  }

  /** Adds all that is dirty to bits of the same granularity. */
  *addTo(bits: DirtyBits): Step<void> {
    const { clusterBytes } = this.#geometry;
    for (let index = 0; index < this.#table.place.entries; index++) {
      const cluster = this.#table.clusterAt(index);
      const fromByte = index * clusterBytes;
      if (cluster === ALL_ONES) bits.addStoredOnes(fromByte, fromByte + clusterBytes);
      else if (cluster > ALL_ONES) {
        const lengthBytes = this.#usedBytes(index, cluster);
        bits.addStored(yield* readBytes(this.#storage, cluster, lengthBytes), fromByte);
      }
    }
  }
}
