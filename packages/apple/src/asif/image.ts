/** An ASIF image as a map: tables of chunk groups, whose entries say where each chunk lies. */
import { bitField, readU32be } from '@diskfile/bytes';
import {
  type Extent,
  type FormatDetails,
  type FormatImage,
  PieceCache,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import { corrupt, unsupported } from '../refusals.ts';
import type { AsifHeader } from './header.ts';
import { CHUNK_STATUS, ENTRY_BYTES, SECTOR_STATE, SECTORS_PER_BITMAP_BYTE } from './structs.ts';

export interface AsifDetails extends FormatDetails {
  readonly chunkBytes: number;
}

/** Flags take the upper nine bits of an entry, two of them for the status. */
const STATUS_SHIFT = 30;
const HIGH_INDEX_VALUES = 2 ** 23;
const TWO_32 = 2 ** 32;

export class AsifImage implements FormatImage {
  readonly format = 'asif';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly #storage: Storage;
  readonly #header: AsifHeader;
  readonly #tables: Float64Array;
  /** By number of the group on the disk. */
  readonly #groups: PieceCache;
  /** What the bitmap of its group has of a chunk, by number of the chunk. */
  readonly #bitmaps: PieceCache;

  constructor(storage: Storage, header: AsifHeader, tables: Float64Array, cacheBytes: number) {
    const { sizeBytes, sectorBytes, chunkBytes, groupBytes } = header;
    this.sizeBytes = sizeBytes;
    this.topology = {
      logicalSectorBytes: sectorBytes,
      physicalSectorBytes: sectorBytes,
      clusterBytes: chunkBytes,
    };
    this.storages = [storage];
    this.#storage = storage;
    this.#header = header;
    this.#tables = tables;
    const bitmapBytes = chunkBytes / sectorBytes / SECTORS_PER_BITMAP_BYTE;
    this.#groups = new PieceCache(storage, groupBytes, cacheBytes / 2);
    this.#bitmaps = new PieceCache(storage, bitmapBytes, cacheBytes / 2);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { chunkBytes, groupChunks, tableGroups } = this.#header;
    const chunk = Math.floor(guestOffset / chunkBytes);
    const groupIndex = Math.floor(chunk / groupChunks);
    const table = Math.floor(groupIndex / tableGroups);
    if (this.#tables[table] === 0) {
      const end = (table + 1) * tableGroups * groupChunks * chunkBytes;
      extent.setZero(Math.min(lengthBytes, end - guestOffset));
      return true;
    }
    const group = this.#groups.find(groupIndex);
    if (group === undefined) return false;
    const inGroup = chunk - groupIndex * groupChunks;
    const within = Math.min(lengthBytes, (chunk + 1) * chunkBytes - guestOffset);
    const inChunk = guestOffset - chunk * chunkBytes;
    const index = indexAt(group, inGroup);
    switch (statusAt(group, inGroup)) {
      case CHUNK_STATUS.none:
        if (index !== 0) throw unknownState('chunk', chunk);
        extent.setZero(within);
        return true;
      case CHUNK_STATUS.whole:
        this.#setData(extent, index, inChunk, within);
        return true;
      case CHUNK_STATUS.part: {
        const bitmap = this.#bitmaps.find(chunk);
        if (bitmap === undefined) return false;
        this.#lookupSectors(extent, bitmap, index, inChunk, within);
        return true;
      }
      default:
        throw unknownState('chunk', chunk);
    }
  }

  /** A run of sectors of one state. */
  #lookupSectors(
    extent: Extent,
    bitmap: Uint8Array,
    index: number,
    inChunk: number,
    lengthBytes: number,
  ): void {
    const { sectorBytes } = this.#header;
    const first = Math.floor(inChunk / sectorBytes);
    const limit = Math.ceil((inChunk + lengthBytes) / sectorBytes);
    const state = sectorState(bitmap, first);
    let end = first + 1;
    while (end < limit && sectorState(bitmap, end) === state) end += 1;
    const length = Math.min(lengthBytes, end * sectorBytes - inChunk);
    if (state === SECTOR_STATE.none) extent.setZero(length);
    else if (state === SECTOR_STATE.written) this.#setData(extent, index, inChunk, length);
    else throw unknownState('sector', first);
  }

  #setData(extent: Extent, index: number, inChunk: number, lengthBytes: number): void {
    const hostOffset = index * this.#header.chunkBytes + inChunk;
    if (index === 0 || !(hostOffset + lengthBytes <= this.#storage.sizeBytes)) {
      throw corrupt('asif.chunk-place', `A chunk would be chunk ${index} of the file`, hostOffset);
    }
    extent.setData(this.#storage, hostOffset, lengthBytes);
  }

  *load(guestOffset: number): Step<void> {
    const { chunkBytes, groupChunks, groupBytes, tableGroups } = this.#header;
    const chunk = Math.floor(guestOffset / chunkBytes);
    const groupIndex = Math.floor(chunk / groupChunks);
    const table = Math.floor(groupIndex / tableGroups);
    const tableAt = this.#tables[table]!;
    if (tableAt === 0) return;
    const groupAt = tableAt + (groupIndex - table * tableGroups) * groupBytes;
    this.#requireWithin(groupAt, groupBytes, 'table');
    const group = yield* this.#groups.load(groupIndex, groupAt);
    const inGroup = chunk - groupIndex * groupChunks;
    if (statusAt(group, inGroup) !== CHUNK_STATUS.part) return;
    const { pieceBytes } = this.#bitmaps;
    const bitmapAt = indexAt(group, groupChunks) * chunkBytes + inGroup * pieceBytes;
    this.#requireWithin(bitmapAt, pieceBytes, 'bitmap');
    yield* this.#bitmaps.load(chunk, bitmapAt);
  }

  #requireWithin(hostOffset: number, lengthBytes: number, what: string): void {
    const isWithin = hostOffset >= this.#header.chunkBytes;
    if (isWithin && hostOffset + lengthBytes <= this.#storage.sizeBytes) return;
    throw corrupt(`asif.${what}-place`, `A ${what} would lie at ${hostOffset}`, hostOffset);
  }

  details(): AsifDetails {
    return { chunkBytes: this.#header.chunkBytes };
  }
}

function statusAt(group: Uint8Array, entry: number): number {
  return bitField(readU32be(group, entry * ENTRY_BYTES), STATUS_SHIFT, 2);
}

function indexAt(group: Uint8Array, entry: number): number {
  const at = entry * ENTRY_BYTES;
  return (readU32be(group, at) % HIGH_INDEX_VALUES) * TWO_32 + readU32be(group, at + 4);
}

function sectorState(bitmap: Uint8Array, sector: number): number {
  const byte = bitmap[Math.floor(sector / SECTORS_PER_BITMAP_BYTE)]!;
  return bitField(byte, (sector % SECTORS_PER_BITMAP_BYTE) * 2, 2);
}

function unknownState(what: string, index: number): Error {
  const message = `The state of ${what} ${index} is one whose meaning is not known`;
  return unsupported(`asif.${what}-state`, message);
}
