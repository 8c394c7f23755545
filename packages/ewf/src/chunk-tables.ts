/**
 * Where the chunks lie. Each table covers the next few thousand chunks of the medium; the tables
 * are read as they are needed, and a table that is damaged is replaced by its mirror, "table2".
 */
import { adler32, countUpTo, DiskError, readU32le } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, isIntact } from './errors.ts';
import type { Section } from './sections.ts';
import { tableHeader } from './structs.ts';

const ENTRY_BYTES = 4;
const CHECKSUM_BYTES = 4;
/** The upper bit of an entry tells a compressed chunk, the others where it lies. */
const COMPRESSED = 0x8000_0000;

/** One table of a set, and what its header says. */
export interface TablePlace {
  readonly storage: Storage;
  /** The table and its mirror, those of them whose headers are intact. */
  readonly copies: readonly Section[];
  readonly entryCount: number;
  readonly baseOffset: number;
  /** Sections of the file, in order. */
  readonly sections: readonly Section[];
}

/**
 * @param copies the section "table", and "table2" where there is one
 * @throws DiskError `corrupt` when no copy is good
 */
export function* readTablePlace(
  copies: readonly Section[],
  sections: readonly Section[],
  limits: Limits,
): Step<TablePlace> {
  const intact: Section[] = [];
  let found: { readonly entryCount: number; readonly baseOffset: number } | undefined;
  for (const section of copies) {
    const { storage, dataOffset, end } = section;
    const bytes = yield* readBytes(storage, dataOffset, tableHeader.spanBytes);
    if (!isIntact(bytes)) continue;
    const header = tableHeader.decode(bytes);
    const entryCount = header.number_of_entries;
    if (entriesAt(section) + entryCount * ENTRY_BYTES > end) continue;
    if (found !== undefined && found.entryCount !== entryCount) continue;
    found ??= { entryCount, baseOffset: header.base_offset };
    intact.push(section);
  }
  const { storage, offset } = copies[0]!;
  if (found === undefined) {
    const message = 'Neither a table of chunks nor its mirror has a header that makes sense';
    throw corrupt('ewf.table-header', message, offset, storage.name);
  }
  if (found.entryCount * ENTRY_BYTES > limits.maxStructureBytes) {
    throw new DiskError('limit', 'ewf.table-size', `A table of ${found.entryCount} chunks`, {
      offset,
      hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
    });
  }
  return { storage, copies: intact, ...found, sections };
}

function entriesAt({ dataOffset }: Section): number {
  return dataOffset + tableHeader.spanBytes;
}

/** Where one chunk lies. One object is filled again and again. */
export class ChunkPlace {
  storage: Storage | undefined;
  offset = 0;
  /** Where the next chunk begins, or the section ends. */
  end = 0;
  isCompressed = false;
}

/** A table in memory. */
class LoadedTable {
  readonly #place: TablePlace;
  readonly #entries: DataView;
  /** The first entry that uses all 32 bits for the offset. */
  readonly #overflowFrom: number;
  /** Where the section ends that the last chunk lies in. */
  readonly #end: number;

  constructor(place: TablePlace, entries: Uint8Array) {
    this.#place = place;
    this.#entries = new DataView(entries.buffer, entries.byteOffset, entries.length);
    this.#overflowFrom = this.#findOverflow();
    this.#end = this.#sectionEnd();
  }

  get sizeBytes(): number {
    return this.#entries.byteLength;
  }

  find(index: number, place: ChunkPlace): void {
    const { storage, entryCount } = this.#place;
    place.storage = storage;
    place.offset = this.#offsetOf(index);
    place.end = index + 1 < entryCount ? this.#offsetOf(index + 1) : this.#end;
    place.isCompressed = index < this.#overflowFrom && this.#entry(index) >= COMPRESSED;
  }

  #entry(index: number): number {
    return this.#entries.getUint32(index * ENTRY_BYTES, true);
  }

  #offsetOf(index: number): number {
    const entry = this.#entry(index);
    const isPlain = index >= this.#overflowFrom || entry < COMPRESSED;
    return this.#place.baseOffset + (isPlain ? entry : entry - COMPRESSED);
  }

  /**
   * EnCase 6.7 wrote on beyond 2 GiB, with plain chunks and the upper bit as part of the offset.
   * Offsets ascend, so that is where one would fall back with its upper bit left out.
   */
  #findOverflow(): number {
    const { entryCount } = this.#place;
    let before = -1;
    for (let index = 0; index < entryCount; index++) {
      const entry = this.#entry(index);
      const offset = entry % COMPRESSED;
      if (offset <= before && entry >= COMPRESSED) return index;
      before = offset;
    }
    return entryCount;
  }

  #sectionEnd(): number {
    const { entryCount, sections, storage } = this.#place;
    if (entryCount === 0) return 0;
    const last = this.#offsetOf(entryCount - 1);
    const section = sections.find(({ dataOffset, end }) => dataOffset <= last && last < end);
    return section?.end ?? storage.sizeBytes;
  }
}

export class ChunkTables {
  readonly #places: readonly TablePlace[];
  /** The first chunk of each table, and behind the last one how many chunks there are. */
  readonly #firstChunks: number[] = [0];
  readonly #hasChecksums: boolean;
  readonly #capacityBytes: number;
  /** Those used last come last. */
  readonly #loaded = new Map<number, LoadedTable>();
  #loadedBytes = 0;

  constructor(places: readonly TablePlace[], hasChecksums: boolean, limits: Limits) {
    this.#places = places;
    this.#hasChecksums = hasChecksums;
    this.#capacityBytes = limits.metadataCacheBytes;
    for (const { entryCount } of places) this.#firstChunks.push(this.chunkCount + entryCount);
  }

  get chunkCount(): number {
    return this.#firstChunks.at(-1)!;
  }

  /**
   * Fills `place`; false when the table has to be loaded first.
   * @param chunk below {@link chunkCount}
   */
  find(chunk: number, place: ChunkPlace): boolean {
    const index = this.#tableOf(chunk);
    const table = this.#loaded.get(index);
    if (table === undefined) return false;
    table.find(chunk - this.#firstChunks[index]!, place);
    return true;
  }

  *load(chunk: number): Step<void> {
    const index = this.#tableOf(chunk);
    if (this.#loaded.has(index)) return;
    const table = yield* this.#read(this.#places[index]!);
    if (this.#loaded.has(index)) return;
    this.#loaded.set(index, table);
    this.#loadedBytes += table.sizeBytes;
    for (const [oldest, { sizeBytes }] of this.#loaded) {
      if (this.#loadedBytes <= this.#capacityBytes || oldest === index) break;
      this.#loaded.delete(oldest);
      this.#loadedBytes -= sizeBytes;
    }
  }

  /** The last table that begins at or before a chunk. */
  #tableOf(chunk: number): number {
    return countUpTo(this.#firstChunks, chunk) - 1;
  }

  *#read(place: TablePlace): Step<LoadedTable> {
    for (const copy of place.copies) {
      const entries = yield* this.#readCopy(place, copy);
      if (entries !== undefined) return new LoadedTable(place, entries);
    }
    const [{ offset }] = place.copies as [Section];
    const message = 'Neither a table of chunks nor its mirror fits its checksum';
    throw corrupt('ewf.table-checksum', message, offset, place.storage.name);
  }

  /** Tables, and mirrors of tables, that do not fit their checksums. */
  *damagedCopies(): Step<Section[]> {
    const damaged: Section[] = [];
    for (const place of this.#places) {
      for (const copy of place.copies) {
        if ((yield* this.#readCopy(place, copy)) === undefined) damaged.push(copy);
      }
    }
    return damaged;
  }

  /** The entries of a table or of its mirror; undefined where they do not fit their checksum. */
  *#readCopy({ storage, entryCount }: TablePlace, copy: Section): Step<Uint8Array | undefined> {
    const lengthBytes = entryCount * ENTRY_BYTES;
    const bytes = yield* readBytes(storage, entriesAt(copy), lengthBytes + CHECKSUM_BYTES);
    const entries = bytes.subarray(0, lengthBytes);
    const fits = !this.#hasChecksums || adler32(entries) === readU32le(bytes, lengthBytes);
    return fits ? entries : undefined;
  }
}
