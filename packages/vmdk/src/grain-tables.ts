/** Where the grains of a sparse extent lie: a directory of tables, all of it sector numbers. */
import { DiskError, divideUp } from '@diskfile/bytes';
import {
  BLOCK,
  type BlockTable,
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

/** One grain table in memory. */
export interface GrainTable {
  readonly index: number;
  readonly hostOffset: number;
  readonly entries: DataView<ArrayBuffer>;
  dirty: boolean;
}

export class GrainTables implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly geometry: GrainGeometry;
  /** Sector numbers of the tables; 0 for none. */
  protected readonly directory: DataView<ArrayBuffer>;
  /** Least recently loaded first. */
  protected readonly tables = new Map<number, GrainTable>();
  readonly #capacity: number;

  constructor(
    storage: Storage,
    geometry: GrainGeometry,
    directory: Uint8Array<ArrayBuffer>,
    limits: Limits,
  ) {
    this.storage = storage;
    this.geometry = geometry;
    this.blockBytes = geometry.grainBytes;
    this.directory = new DataView(directory.buffer);
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

  find(grainIndex: number): number {
    const { entriesPerTable, zeroedGrains } = this.geometry;
    const tableIndex = Math.floor(grainIndex / entriesPerTable);
    const tableSector = this.tableSector(tableIndex);
    if (tableSector === 0) return BLOCK.none;
    const table = this.tables.get(tableIndex);
    if (table === undefined) return BLOCK.unknown;
    const entry = table.entries.getUint32((grainIndex % entriesPerTable) * ENTRY_BYTES, true);
    if (entry === 0) return BLOCK.none;
    if (entry === ZEROED_GRAIN && zeroedGrains) return BLOCK.zero;
    return entry * SECTOR_BYTES;
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
    const bytes = new Uint8Array(this.geometry.entriesPerTable * ENTRY_BYTES);
    yield* readInto(this.storage, bytes, hostOffset);
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

  protected keep(table: GrainTable): GrainTable {
    for (const [index, { dirty }] of this.tables) {
      if (this.tables.size < this.#capacity) break;
      if (!dirty) this.tables.delete(index);
    }
    this.tables.set(table.index, table);
    return table;
  }
}

/** Tables that an extent needs. */
export function tableCount({ sizeBytes, grainBytes, entriesPerTable }: GrainGeometry): number {
  return divideUp(divideUp(sizeBytes, grainBytes), entriesPerTable);
}
