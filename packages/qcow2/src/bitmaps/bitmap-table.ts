/** The table of one bitmap: where its bits lie, cluster by cluster (specification, "Bitmap table"). */
import { maskBits, writeU64be } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { clusterOffset } from '../tables/l2-entry.ts';
import type { TablePlace } from './bitmap-entry.ts';

export const TABLE_ENTRY_BYTES = 8;
/** Entries without a cluster, in place of its offset: all bits are clear, or all are set. */
export const ALL_ZEROS = 0;
export const ALL_ONES = 1;

export class BitmapTable {
  /** Where the table lies. */
  readonly place: TablePlace;
  readonly bytes: Uint8Array;
  readonly #entries: DataView;

  constructor(place: TablePlace, bytes: Uint8Array) {
    this.place = place;
    this.bytes = bytes;
    this.#entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * Reads a table whose length the caller has bounded.
   * @throws DiskError `corrupt` when it cannot lie there, or an entry names a place where nothing can
   */
  static *read(storage: Storage, place: TablePlace, clusterBytes: number): Step<BitmapTable> {
    const lengthBytes = place.entries * TABLE_ENTRY_BYTES;
    const fits = place.offset > 0 && place.offset + lengthBytes <= storage.sizeBytes;
    if (!fits || place.offset % clusterBytes !== 0 || lengthBytes === 0) {
      throw corrupt(
        'qcow2.bitmap-table',
        `A bitmap table of ${place.entries} entries at ${hex(place.offset)} is not possible`,
        { offset: place.offset },
      );
    }
    const table = new BitmapTable(place, yield* readBytes(storage, place.offset, lengthBytes));
    table.#check(clusterBytes, storage.sizeBytes);
    return table;
  }

  #check(clusterBytes: number, fileBytes: number): void {
    for (let index = 0; index < this.place.entries; index++) {
      const high = this.#entries.getUint32(index * TABLE_ENTRY_BYTES);
      const low = this.#entries.getUint32(index * TABLE_ENTRY_BYTES + 4);
      const offset = this.clusterAt(index);
      const reserved = maskBits(high, 0xff00_0000) !== 0 || maskBits(low, 0x1fe) !== 0;
      const placed = offset <= ALL_ONES || (offset % clusterBytes === 0 && offset < fileBytes);
      const plain = offset <= ALL_ONES || low % 2 === 0;
      if (!reserved && placed && plain) continue;
      throw corrupt(
        'qcow2.bitmap-table-entry',
        `Entry ${index} of the bitmap table at ${hex(this.place.offset)} is damaged`,
        { offset: this.place.offset + index * TABLE_ENTRY_BYTES },
      );
    }
  }

  /** Host offset of the cluster that holds a part of the bits, {@link ALL_ZEROS} or {@link ALL_ONES}. */
  clusterAt(index: number): number {
    const high = this.#entries.getUint32(index * TABLE_ENTRY_BYTES);
    const low = this.#entries.getUint32(index * TABLE_ENTRY_BYTES + 4);
    const offset = clusterOffset(high, low);
    return offset === 0 && low % 2 === 1 ? ALL_ONES : offset;
  }

  /** @param cluster as {@link clusterAt} gives it */
  setCluster(index: number, cluster: number): void {
    writeU64be(this.bytes, index * TABLE_ENTRY_BYTES, cluster);
  }

  /** Visits the indexes of the host clusters that the table takes, and that hold the bits. */
  visitClusters(clusterBytes: number, visit: (clusterIndex: number) => void): void {
    const { offset, entries } = this.place;
    const end = offset + entries * TABLE_ENTRY_BYTES;
    for (let at = offset; at < end; at += clusterBytes) visit(at / clusterBytes);
    for (let index = 0; index < entries; index++) {
      const cluster = this.clusterAt(index);
      if (cluster > ALL_ONES) visit(cluster / clusterBytes);
    }
  }
}
