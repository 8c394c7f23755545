/** A growing image as a map: a catalog of extents, each with a bitmap of the sectors it holds. */
import { divideUp, nextClearBit, nextSetBit, testBitmapBit } from '@diskfile/bytes';
import {
  type Extent,
  type FormatDetails,
  type FormatImage,
  PieceCache,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import type { BochsHeader } from './header.ts';
import { corrupt } from './refusals.ts';
import { NOT_ALLOCATED, SECTOR_BYTES } from './structs.ts';

export interface BochsDetails extends FormatDetails {
  readonly version: number;
  readonly extentBytes: number;
}

/** What is said of an extent that is not there, in place of where it lies. */
const NOWHERE = -1;

export class BochsImage implements FormatImage {
  readonly format = 'bochs';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly #storage: Storage;
  readonly #header: BochsHeader;
  readonly #catalog: Uint32Array;
  /** By extent: what sectors have been written. */
  readonly #bitmaps: PieceCache;

  constructor(storage: Storage, header: BochsHeader, catalog: Uint32Array, cacheBytes: number) {
    const { extentBytes, sizeBytes } = header;
    this.sizeBytes = sizeBytes;
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      clusterBytes: extentBytes,
    };
    this.storages = [storage];
    this.#storage = storage;
    this.#header = header;
    this.#catalog = catalog;
    const bitmapBytes = divideUp(extentBytes / SECTOR_BYTES, 8);
    this.#bitmaps = new PieceCache(storage, bitmapBytes, cacheBytes);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { extentBytes } = this.#header;
    const index = Math.floor(guestOffset / extentBytes);
    const start = index * extentBytes;
    const place = this.#placeOf(index);
    if (place === NOWHERE) {
      extent.setZero(this.#endOfNothing(index, guestOffset + lengthBytes) - guestOffset);
      return true;
    }
    const bitmap = this.#bitmaps.find(index);
    if (bitmap === undefined) return false;
    const end = Math.min(guestOffset + lengthBytes, start + extentBytes);
    const sector = Math.floor((guestOffset - start) / SECTOR_BYTES);
    const limit = Math.ceil((end - start) / SECTOR_BYTES);
    const isWritten = testBitmapBit(bitmap, sector);
    const runEnd = (isWritten ? nextClearBit : nextSetBit)(bitmap, sector, limit) * SECTOR_BYTES;
    const length = Math.min(end, start + runEnd) - guestOffset;
    if (!isWritten) {
      extent.setZero(length);
      return true;
    }
    const hostOffset = place + this.#header.bitmapSpaceBytes + guestOffset - start;
    if (hostOffset + length > this.#storage.sizeBytes) throw pastTheEnd(index, hostOffset);
    extent.setData(this.#storage, hostOffset, length);
    return true;
  }

  /** Where an extent and its bitmap begin. */
  #placeOf(index: number): number {
    const entry = this.#catalog[index]!;
    if (entry === NOT_ALLOCATED) return NOWHERE;
    const { dataOffset, extentBytes, bitmapSpaceBytes } = this.#header;
    const place = dataOffset + entry * (bitmapSpaceBytes + extentBytes);
    if (place + bitmapSpaceBytes > this.#storage.sizeBytes) throw pastTheEnd(index, place);
    return place;
  }

  /** Where extents that are not there end, from `index` on; at most `end`. */
  #endOfNothing(index: number, end: number): number {
    const { extentBytes } = this.#header;
    let next = index + 1;
    while (next * extentBytes < end && this.#catalog[next] === NOT_ALLOCATED) next += 1;
    return Math.min(end, next * extentBytes);
  }

  *load(guestOffset: number): Step<void> {
    const index = Math.floor(guestOffset / this.#header.extentBytes);
    const place = this.#placeOf(index);
    if (place !== NOWHERE) yield* this.#bitmaps.load(index, place);
  }

  details(): BochsDetails {
    const { version, extentBytes } = this.#header;
    return { version, extentBytes };
  }
}

function pastTheEnd(index: number, offset: number): Error {
  return corrupt('bochs.extent-place', `Extent ${index} lies past the end of the file`, offset);
}
