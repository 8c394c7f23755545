/** A sparse image as a map over its bands. */
import {
  BLOCK,
  type BlockTable,
  type Extent,
  type FormatDetails,
  type FormatImage,
  lookupBlocks,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import { corrupt } from '../refusals.ts';
import { SECTOR_BYTES } from './structs.ts';

export interface SparseImageDetails extends FormatDetails {
  readonly bandBytes: number;
  readonly allocatedBands: number;
}

/** In place of where a band lies that is there more than once. */
export const TWO_PLACES = 0;

/** Where each band lies; all of it is in memory. */
export class BandTable implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly #places: ReadonlyMap<number, number>;
  /** Ascending. */
  readonly #held: readonly number[];

  constructor(storage: Storage, blockBytes: number, places: ReadonlyMap<number, number>) {
    this.storage = storage;
    this.blockBytes = blockBytes;
    this.#places = places;
    this.#held = [...places.keys()].toSorted((one, other) => one - other);
  }

  get count(): number {
    return this.#held.length;
  }

  find(blockIndex: number): number {
    const place = this.#places.get(blockIndex);
    if (place === TWO_PLACES) {
      throw corrupt('sparseimage.band-twice', `Band ${blockIndex + 1} is there twice`);
    }
    return place ?? BLOCK.none;
  }

  *load(): Step<void> {}

  nextHeld(blockIndex: number, end: number): number {
    return this.#held.find((held) => held >= blockIndex && held < end) ?? end;
  }
}

export class SparseImage implements FormatImage {
  readonly format = 'sparseimage';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly #bands: BandTable;

  constructor(bands: BandTable, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      clusterBytes: bands.blockBytes,
    };
    this.storages = [bands.storage];
    this.#bands = bands;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    if (!lookupBlocks(this.#bands, guestOffset, lengthBytes, extent)) return false;
    if (extent.kind !== 'data') return true;
    const left = this.#bands.storage.sizeBytes - extent.hostOffset;
    if (left <= 0) throw pastTheEnd(extent.hostOffset);
    extent.lengthBytes = Math.min(extent.lengthBytes, left);
    return true;
  }

  *load(): Step<void> {}

  details(): SparseImageDetails {
    return { bandBytes: this.#bands.blockBytes, allocatedBands: this.#bands.count };
  }
}

function pastTheEnd(offset: number): Error {
  return corrupt('sparseimage.band-place', 'A band lies past the end of the file', offset);
}
