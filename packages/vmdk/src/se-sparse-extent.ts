/** Space-efficient sparse extents (seSparse), which ESXi makes for snapshots: read only. */
import { bitField, maskBits, readU32le } from '@diskfile/bytes';
import {
  BLOCK,
  type BlockTable,
  type Extent,
  type Limits,
  lookupBlocks,
  readBytes,
  type Step,
  type Storage,
  TablePages,
} from '@diskfile/core';
import { corrupt, unsupported } from './refusals.ts';
import {
  SE_SPARSE_MAGIC,
  SE_SPARSE_VOLATILE_MAGIC,
  SECTOR_BYTES,
  seSparseHeader,
  seSparseVolatileHeader,
} from './structs.ts';

const ENTRY_BYTES = 8;
/** The only geometry that was ever seen: grains of 4 KiB, tables of 32 KiB. */
const GRAIN_SECTORS = 8;
const TABLE_SECTORS = 64;
const TABLE_ENTRIES = (TABLE_SECTORS * SECTOR_BYTES) / ENTRY_BYTES;
/** Upper four bits of a grain table entry. */
const KIND = { unallocated: 0, unmapped: 1, zero: 2, allocated: 3 } as const;
const TWO_32 = 2 ** 32;
const MAX_SECTORS = 2 ** 43;

export function isSeSparseMagic(head: Uint8Array): boolean {
  return head.length >= 8 && readU32le(head, 0) === SE_SPARSE_MAGIC && readU32le(head, 4) === 0;
}

type RawHeader = ReturnType<typeof seSparseHeader.decode>;

export class SeSparseExtent implements BlockTable {
  readonly blockBytes = GRAIN_SECTORS * SECTOR_BYTES;
  readonly storage: Storage;
  readonly sizeBytes: number;
  readonly #raw: RawHeader;
  readonly #directory: TablePages;
  readonly #tables: TablePages;

  private constructor(storage: Storage, raw: RawHeader, limits: Limits) {
    this.storage = storage;
    this.sizeBytes = raw.capacity * SECTOR_BYTES;
    this.#raw = raw;
    this.#directory = pages(storage, raw.grainDirOffset, raw.grainDirSize, limits);
    this.#tables = pages(storage, raw.grainTablesOffset, raw.grainTablesSize, limits);
  }

  static *open(storage: Storage, limits: Limits): Step<SeSparseExtent> {
    const raw = seSparseHeader.decode(yield* readBytes(storage, 0, seSparseHeader.spanBytes));
    if (raw.magicLow !== SE_SPARSE_MAGIC || raw.versionHigh !== 2 || raw.versionLow !== 1) {
      throw unsupported(
        'vmdk.se-version',
        'The seSparse extent has another version than 2.1',
        'None is known.',
      );
    }
    if (raw.grainSize !== GRAIN_SECTORS || raw.grainTableSize !== TABLE_SECTORS) {
      throw unsupported(
        'vmdk.se-geometry',
        'The seSparse extent has another geometry than all known ones',
        'Convert it with the program that wrote it.',
      );
    }
    const largest = raw.capacity + raw.grainsOffset + raw.grainsSize + raw.grainTablesSize;
    if (largest > MAX_SECTORS) {
      throw corrupt('vmdk.se-offset', 'The extent names an offset beyond what any file holds', 0);
    }
    const neededTables = Math.ceil(raw.capacity / (GRAIN_SECTORS * TABLE_ENTRIES));
    if (neededTables * ENTRY_BYTES > raw.grainDirSize * SECTOR_BYTES) {
      throw corrupt('vmdk.se-directory', 'The grain directory is too small for the extent', 0);
    }
    const at = raw.volatileHeaderOffset * SECTOR_BYTES;
    const volatile = seSparseVolatileHeader.decode(
      yield* readBytes(storage, at, seSparseVolatileHeader.spanBytes),
    );
    if (volatile.magicLow !== SE_SPARSE_VOLATILE_MAGIC) {
      throw corrupt('vmdk.se-volatile', 'The volatile header of the extent is damaged', at);
    }
    if (volatile.replayJournal !== 0) {
      throw unsupported(
        'vmdk.se-journal',
        'The extent has a journal that was not replayed',
        'Let ESXi open and close it once.',
      );
    }
    return new SeSparseExtent(storage, raw, limits);
  }

  find(grainIndex: number): number {
    const tableIndex = Math.floor(grainIndex / TABLE_ENTRIES);
    const table = this.#tableNumber(tableIndex);
    if (table < 0) return table;
    const at = (table * TABLE_ENTRIES + (grainIndex % TABLE_ENTRIES)) * ENTRY_BYTES;
    const page = this.#tables.find(at);
    if (page === undefined) return BLOCK.unknown;
    const inPage = this.#tables.offsetInPage(at);
    return this.#placeOf(page.view.getUint32(inPage + 4, true), page.view.getUint32(inPage, true));
  }

  #tableNumber(tableIndex: number): number {
    const at = tableIndex * ENTRY_BYTES;
    const page = this.#directory.find(at);
    if (page === undefined) return BLOCK.unknown;
    const inPage = this.#directory.offsetInPage(at);
    const high = page.view.getUint32(inPage + 4, true);
    const low = page.view.getUint32(inPage, true);
    if (high === 0 && low === 0) return BLOCK.none;
    const tables = this.#tables.place.lengthBytes / (TABLE_SECTORS * SECTOR_BYTES);
    if (high === 0x1000_0000 && low < tables) return low;
    throw corrupt(
      'vmdk.se-directory-entry',
      `Entry ${tableIndex} of the grain directory is damaged`,
      0,
    );
  }

  /** The place number has its low 12 bits above the high 48. */
  #placeOf(high: number, low: number): number {
    const kind = bitField(high, 28, 4);
    if (kind === KIND.unallocated && high === 0 && low === 0) return BLOCK.none;
    if (kind === KIND.unmapped) return BLOCK.none;
    if (kind === KIND.zero) return BLOCK.zero;
    if (kind === KIND.allocated) {
      const grain = bitField(high, 16, 12) + (maskBits(high, 0xffff) * TWO_32 + low) * 4096;
      if (grain * GRAIN_SECTORS < this.#raw.grainsSize) {
        return (this.#raw.grainsOffset + grain * GRAIN_SECTORS) * SECTOR_BYTES;
      }
    }
    throw corrupt('vmdk.se-grain-entry', 'An entry of a grain table is damaged', 0);
  }

  *load(grainIndex: number): Step<void> {
    const tableIndex = Math.floor(grainIndex / TABLE_ENTRIES);
    yield* this.#directory.load(tableIndex * ENTRY_BYTES);
    const table = this.#tableNumber(tableIndex);
    if (table < 0) return;
    yield* this.#tables.load((table * TABLE_ENTRIES + (grainIndex % TABLE_ENTRIES)) * ENTRY_BYTES);
    yield* this.#directory.load(tableIndex * ENTRY_BYTES);
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    return lookupBlocks(this, offset, lengthBytes, extent);
  }
}

function pages(storage: Storage, sector: number, sectors: number, limits: Limits): TablePages {
  const place = { hostOffset: sector * SECTOR_BYTES, lengthBytes: sectors * SECTOR_BYTES };
  if (place.hostOffset + place.lengthBytes > storage.sizeBytes) {
    throw corrupt(
      'vmdk.se-tables',
      'The tables of the extent are not in the file',
      place.hostOffset,
    );
  }
  return new TablePages(storage, place, limits.metadataCacheBytes / 2);
}
