/** Where the grains of a sparse extent lie: a directory of tables, all of it sector numbers. */
import { DiskError, divideUp } from '@diskfile/bytes';
import {
  BLOCK,
  type BlockTable,
  ClusterSet,
  dataOf,
  type Limits,
  readBytes,
  readInto,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt } from './refusals.ts';
import { SECTOR_BYTES } from './structs.ts';

const ENTRY_BYTES = 4;
/** A grain table entry for a grain of zeros, where the header allows those. */
export const ZEROED_GRAIN = 1;

export interface GrainGeometry {
  readonly sizeBytes: number;
  readonly grainBytes: number;
  readonly entriesPerTable: number;
  readonly directoryOffset: number;
  readonly zeroedGrains: boolean;
}

/** Sees all grains of an extent. */
export interface GrainVisitor {
  /** @param hostOffset at or behind the end of the file, where the entry is damaged */
  grain(grainIndex: number, hostOffset: number): void;
  /** Called before each table; may throw to call the walk off. */
  table?(): void;
  missingTable(tableIndex: number, hostOffset: number): void;
  /** A table in use stands for a second stretch of the disk as well; its grains are not shown again. */
  sharedTable(tableIndex: number, hostOffset: number): void;
}

/** One grain table in memory. */
export interface GrainTable {
  readonly index: number;
  readonly hostOffset: number;
  readonly entries: DataView<ArrayBuffer>;
  dirty: boolean;
}

export class GrainTables implements BlockTable {
  readonly blockBytes: number;
  /** For grains. */
  readonly storage: Storage;
  readonly #file: Storage;
  readonly geometry: GrainGeometry;
  /** Sector numbers of the tables; 0 for none. */
  protected readonly directory: DataView<ArrayBuffer>;
  /** Least recently loaded first. */
  protected readonly tables = new Map<number, GrainTable>();
  readonly #capacity: number;
  readonly #limits: Limits;

  constructor(
    storage: Storage,
    geometry: GrainGeometry,
    directory: Uint8Array<ArrayBuffer>,
    limits: Limits,
  ) {
    this.storage = dataOf(storage);
    this.#file = storage;
    this.geometry = geometry;
    this.blockBytes = geometry.grainBytes;
    this.directory = new DataView(directory.buffer);
    this.#limits = limits;
    const tableBytes = geometry.entriesPerTable * ENTRY_BYTES;
    this.#capacity = Math.max(1, Math.floor(limits.metadataCacheBytes / tableBytes));
  }

  /** @throws DiskError `limit`, or `corrupt` for a directory that the file does not hold */
  static *readDirectory(
    storage: Storage,
    geometry: GrainGeometry,
    limits: Limits,
  ): Step<Uint8Array<ArrayBuffer>> {
    const lengthBytes = tableCount(geometry) * ENTRY_BYTES;
    const { directoryOffset } = geometry;
    if (lengthBytes > limits.maxStructureBytes) {
      throw new DiskError('limit', 'vmdk.directory-size', `A directory of ${lengthBytes} bytes`, {
        hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
      });
    }
    if (directoryOffset === 0 || directoryOffset + lengthBytes > storage.sizeBytes) {
      throw corrupt(
        'vmdk.directory-offset',
        'The grain directory is not in the file',
        directoryOffset,
      );
    }
    const bytes = yield* readBytes(storage, directoryOffset, lengthBytes);
    return new Uint8Array(bytes);
  }

  /** No grain begins here or further on. */
  protected get grainsEnd(): number {
    return this.storage.sizeBytes;
  }

  /** @throws DiskError `corrupt` for a grain that is not in the file */
  find(grainIndex: number): number {
    const place = this.peek(grainIndex);
    if (place >= this.grainsEnd) throw beyondFile(grainIndex, place);
    return place;
  }

  /** What the table says, whether or not that is in the file. */
  peek(grainIndex: number): number {
    const { entriesPerTable } = this.geometry;
    const tableIndex = Math.floor(grainIndex / entriesPerTable);
    if (this.tableSector(tableIndex) === 0) return BLOCK.none;
    const table = this.tables.get(tableIndex);
    if (table === undefined) return BLOCK.unknown;
    return this.#placeOf(
      table.entries.getUint32((grainIndex % entriesPerTable) * ENTRY_BYTES, true),
    );
  }

  #placeOf(entry: number): number {
    if (entry === 0) return BLOCK.none;
    if (entry === ZEROED_GRAIN && this.geometry.zeroedGrains) return BLOCK.zero;
    return entry * SECTOR_BYTES;
  }

  /** Shows all grains that have a place, wherever that is. Each table is read once. */
  *walk(visitor: GrainVisitor): Step<void> {
    const { sizeBytes, grainBytes, entriesPerTable } = this.geometry;
    const grains = divideUp(sizeBytes, grainBytes);
    const tables = tableCount(this.geometry);
    const known = new ClusterSet(this.#limits.maxStructureBytes);
    const inUse = new ClusterSet(this.#limits.maxStructureBytes);
    for (let tableIndex = 0; tableIndex < tables; tableIndex++) {
      visitor.table?.();
      const sector = this.tableSector(tableIndex);
      if (sector === 0) continue;
      if (!this.#isInFile(tableIndex)) {
        visitor.missingTable(tableIndex, sector * SECTOR_BYTES);
        continue;
      }
      if (known.add(sector) > 0) {
        if (inUse.has(sector)) visitor.sharedTable(tableIndex, sector * SECTOR_BYTES);
        continue;
      }
      const { entries } = (yield* this.loadTable(tableIndex))!;
      const first = tableIndex * entriesPerTable;
      const count = Math.min(entriesPerTable, grains - first);
      for (let at = 0; at < count; at++) {
        const entry = entries.getUint32(at * ENTRY_BYTES, true);
        if (entry === 0) continue;
        inUse.add(sector);
        const place = this.#placeOf(entry);
        if (place >= 0) visitor.grain(first + at, place);
      }
    }
  }

  /** Sector at which a table begins; 0 for none. */
  protected tableSector(tableIndex: number): number {
    const at = tableIndex * ENTRY_BYTES;
    return at < this.directory.byteLength ? this.directory.getUint32(at, true) : 0;
  }

  *load(grainIndex: number): Step<void> {
    const tableIndex = Math.floor(grainIndex / this.geometry.entriesPerTable);
    yield* this.loadTable(tableIndex);
  }

  /** The table of that index; undefined where there is none. */
  protected *loadTable(tableIndex: number): Step<GrainTable | undefined> {
    const present = this.tables.get(tableIndex);
    if (present !== undefined) return present;
    const hostOffset = this.tableSector(tableIndex) * SECTOR_BYTES;
    if (hostOffset === 0) return undefined;
    if (!this.#isInFile(tableIndex)) throw tableBeyondFile(tableIndex, hostOffset);
    const bytes = new Uint8Array(this.geometry.entriesPerTable * ENTRY_BYTES);
    yield* readInto(this.#file, bytes, hostOffset);
    // Loads that overlap in time may bring in the same table twice; the first may have changed.
    const loaded = this.tables.get(tableIndex);
    if (loaded !== undefined) return loaded;
    return this.keep({
      index: tableIndex,
      hostOffset,
      entries: new DataView(bytes.buffer),
      dirty: false,
    });
  }

  /** Whether the file holds what the disk needs of a table: the last one may be cut behind that. */
  #isInFile(tableIndex: number): boolean {
    const { sizeBytes, grainBytes, entriesPerTable } = this.geometry;
    const left = divideUp(sizeBytes, grainBytes) - tableIndex * entriesPerTable;
    const usedBytes = Math.min(left, entriesPerTable) * ENTRY_BYTES;
    return this.tableSector(tableIndex) * SECTOR_BYTES + usedBytes <= this.storage.sizeBytes;
  }

  protected keep(table: GrainTable): GrainTable {
    for (const [index, { dirty }] of this.tables) {
      if (this.tables.size < this.#capacity) break;
      if (!dirty) this.tables.delete(index);
    }
    this.tables.set(table.index, table);
    return table;
  }
}

/** What an extent takes in memory at least: its directory and a table. */
export function leastBytes(geometry: GrainGeometry): number {
  return (tableCount(geometry) + geometry.entriesPerTable) * ENTRY_BYTES;
}

/** Tables that an extent needs. */
export function tableCount({ sizeBytes, grainBytes, entriesPerTable }: GrainGeometry): number {
  return divideUp(divideUp(sizeBytes, grainBytes), entriesPerTable);
}

function beyondFile(grainIndex: number, hostOffset: number): DiskError {
  return corrupt('vmdk.grain-beyond-file', `Grain ${grainIndex} is not in the file`, hostOffset);
}

export function tableBeyondFile(tableIndex: number, hostOffset: number): DiskError {
  return corrupt(
    'vmdk.table-beyond-file',
    `Grain table ${tableIndex} is not in the file`,
    hostOffset,
  );
}
