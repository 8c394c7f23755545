/**
 * All chunks of an image in the order of the disk, in arrays of numbers: found by binary search,
 * and mostly right behind the one that was found last.
 */
import { DiskError, readU32be, readU64be } from '@diskfile/bytes';
import { type Limits, quote } from '@diskfile/core';
import { corrupt, tooLarge } from './refusals.ts';
import type { TableResource } from './resources.ts';
import {
  blockTable,
  CHUNK_ENTRY,
  ENTRY_TYPE,
  SECTOR_BYTES,
  TABLE_SIGNATURE,
  TABLE_VERSION,
} from './structs.ts';
import { type Checksum, parseChecksum } from './trailer.ts';

/** What one chunk takes in memory. */
const BYTES_PER_CHUNK = 4 * 8 + 4;
const MAX_SECTOR = Number.MAX_SAFE_INTEGER / SECTOR_BYTES;

/** A part of the disk, with a checksum of its own. */
export interface DiskPart {
  readonly name: string;
  readonly firstSector: number;
  readonly sectorCount: number;
  readonly checksum: Checksum | undefined;
}

export class ChunkTable {
  readonly parts: readonly DiskPart[];
  #firsts: Float64Array;
  #ends: Float64Array;
  #hostOffsets: Float64Array;
  #lengths: Float64Array;
  #types: Uint32Array;
  #count = 0;
  #last = 0;

  /** @param dataForkOffset what offsets of chunks count from */
  constructor(resources: readonly TableResource[], dataForkOffset: number, limits: Limits) {
    const capacity = Math.floor(limits.metadataCacheBytes / BYTES_PER_CHUNK);
    let needed = 0;
    const tables = resources.map((resource) => {
      const table = parseTable(resource);
      needed += table.chunkCount;
      if (needed > capacity) {
        const message = `The image has ${needed} chunks or more`;
        throw tooLarge('dmg.chunk-count', message, 'metadataCacheBytes');
      }
      return table;
    });
    this.parts = tables.map(({ part }) => part);
    this.#firsts = new Float64Array(needed);
    this.#ends = new Float64Array(needed);
    this.#hostOffsets = new Float64Array(needed);
    this.#lengths = new Float64Array(needed);
    this.#types = new Uint32Array(needed);
    for (const table of tables) this.#addAll(table, dataForkOffset);
    if (!this.#isSorted()) this.#sort();
    this.#refuseOverlaps();
  }

  get count(): number {
    return this.#count;
  }

  /** Sector behind the last chunk. */
  get endSector(): number {
    return this.#count === 0 ? 0 : this.#ends[this.#count - 1]!;
  }

  /** Index of the chunk that holds a sector; -1 where there is none. */
  find(sector: number): number {
    const last = this.#last;
    if (this.#holds(last, sector)) return last;
    if (this.#holds(last + 1, sector)) return (this.#last = last + 1);
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ends[middle]! <= sector) low = middle + 1;
      else high = middle;
    }
    if (!this.#holds(low, sector)) return -1;
    this.#last = low;
    return low;
  }

  #holds(index: number, sector: number): boolean {
    return index < this.#count && this.#firsts[index]! <= sector && sector < this.#ends[index]!;
  }

  firstSector(index: number): number {
    return this.#firsts[index]!;
  }

  sectorCount(index: number): number {
    return this.#ends[index]! - this.#firsts[index]!;
  }

  hostOffset(index: number): number {
    return this.#hostOffsets[index]!;
  }

  lengthBytes(index: number): number {
    return this.#lengths[index]!;
  }

  type(index: number): number {
    return this.#types[index]!;
  }

  #addAll({ bytes, part, dataOffset, chunkCount }: ParsedTable, dataForkOffset: number): void {
    for (let entry = 0; entry < chunkCount; entry++) {
      const at = blockTable.spanBytes + entry * CHUNK_ENTRY.spanBytes;
      const type = readU32be(bytes, at + CHUNK_ENTRY.entryType);
      if (type === ENTRY_TYPE.comment) continue;
      if (type === ENTRY_TYPE.terminator) return;
      const u64 = (
        field: 'sectorNumber' | 'sectorCount' | 'compressedOffset' | 'compressedLength',
      ) => readU64be(bytes, at + CHUNK_ENTRY[field], field);
      const first = part.firstSector + u64('sectorNumber');
      const end = first + u64('sectorCount');
      if (end > MAX_SECTOR) {
        throw corrupt('dmg.chunk-sectors', `A chunk of ${quote(part.name)} lies past any disk`);
      }
      if (end === first) continue;
      const index = this.#count++;
      this.#types[index] = type;
      this.#firsts[index] = first;
      this.#ends[index] = end;
      this.#hostOffsets[index] = dataForkOffset + dataOffset + u64('compressedOffset');
      this.#lengths[index] = u64('compressedLength');
    }
  }

  #isSorted(): boolean {
    for (let index = 1; index < this.#count; index++) {
      if (this.#firsts[index]! < this.#firsts[index - 1]!) return false;
    }
    return true;
  }

  #sort(): void {
    const firsts = this.#firsts;
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index);
    order.sort((a, b) => firsts[a]! - firsts[b]!);
    const reorder = <A extends Float64Array | Uint32Array>(values: A): A => {
      const sorted = values.slice() as A;
      for (let index = 0; index < order.length; index++) sorted[index] = values[order[index]!]!;
      return sorted;
    };
    this.#firsts = reorder(this.#firsts);
    this.#ends = reorder(this.#ends);
    this.#hostOffsets = reorder(this.#hostOffsets);
    this.#lengths = reorder(this.#lengths);
    this.#types = reorder(this.#types);
  }

  #refuseOverlaps(): void {
    for (let index = 1; index < this.#count; index++) {
      if (this.#firsts[index]! >= this.#ends[index - 1]!) continue;
      throw corrupt('dmg.chunk-overlap', `Sector ${this.#firsts[index]!} is in two chunks`);
    }
  }
}

interface ParsedTable {
  readonly part: DiskPart;
  readonly bytes: Uint8Array;
  /** What offsets count from, within the data fork. */
  readonly dataOffset: number;
  readonly chunkCount: number;
}

function parseTable(resource: TableResource): ParsedTable {
  const bytes = resource.bytes();
  const name = quote(resource.name);
  if (bytes.length < blockTable.spanBytes || readU32be(bytes, 0) !== TABLE_SIGNATURE) {
    throw corrupt('dmg.table', `The block table of ${name} is none`);
  }
  const raw = blockTable.decode(bytes);
  if (raw.version !== TABLE_VERSION) {
    throw new DiskError(
      'unsupported',
      'dmg.table-version',
      `The block table of ${name} has version ${raw.version}`,
      { hint: `Version ${TABLE_VERSION} can be read.` },
    );
  }
  const chunkCount = raw.numberOfBlockChunks;
  const roomBytes = bytes.length - blockTable.spanBytes;
  if (chunkCount * CHUNK_ENTRY.spanBytes > roomBytes) {
    throw corrupt('dmg.table-length', `The block table of ${name} is too short for its chunks`);
  }
  if (raw.sectorNumber + raw.sectorCount > MAX_SECTOR) {
    throw corrupt('dmg.table-sectors', `The block table of ${name} is about no disk`);
  }
  return {
    part: {
      name: resource.name,
      firstSector: raw.sectorNumber,
      sectorCount: raw.sectorCount,
      checksum: parseChecksum(raw.checksumType, raw.checksumSize, raw.checksum),
    },
    bytes,
    dataOffset: raw.dataOffset,
    chunkCount,
  };
}
