/** Grain tables of an extent that is written: every change goes to both copies of a table. */
import { DiskError } from '@diskfile/bytes';
import {
  AppendSpace,
  during,
  flushStorage,
  type Limits,
  type Step,
  truncateStorage,
  type WritableBlockTable,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { type GrainGeometry, type GrainTable, GrainTables, ZEROED_GRAIN } from './grain-tables.ts';
import { corrupt } from './refusals.ts';
import { SECTOR_BYTES } from './structs.ts';

const ENTRY_BYTES = 4;
/** Bytes of changed tables at which they are written early. */
const MAX_DIRTY_BYTES = 4 * 1024 * 1024;
/** Sector numbers are 32 bits wide. */
const MAX_END = 2 ** 32 * SECTOR_BYTES;

export interface GrainWritingParts {
  readonly directory: Uint8Array<ArrayBuffer>;
  /** The second directory, when there is one: its tables mirror the first ones. */
  readonly redundant: Uint8Array<ArrayBuffer> | undefined;
  /** Behind all grains and tables, and behind what the file holds besides. */
  readonly usedEnd: number;
  /** Where new grains may begin: at multiples of this. */
  readonly alignment: number;
}

export class WritableGrainTables extends GrainTables implements WritableBlockTable {
  declare readonly storage: WritableStorage;
  readonly maxReservation = Infinity;
  /** Whether nothing may follow the last grain but what a flush writes there. */
  readonly endsBehindLastGrain: boolean = false;
  readonly linkZero?: (grainIndex: number) => Step<void>;
  readonly #redundant: DataView | undefined;
  readonly #space: AppendSpace;
  /** Those that are compressed take what they need. */
  readonly #holdsWholeGrains: boolean;
  #dirtyCount = 0;

  constructor(
    storage: WritableStorage,
    geometry: GrainGeometry,
    { directory, redundant, usedEnd, alignment }: GrainWritingParts,
    limits: Limits,
  ) {
    super(storage, geometry, directory, limits);
    this.#redundant = redundant && new DataView(redundant.buffer);
    this.#space = new AppendSpace(storage, usedEnd, alignment);
    this.#holdsWholeGrains = alignment === geometry.grainBytes;
    if (geometry.zeroedGrains) this.linkZero = (grainIndex) => this.#linkZero(grainIndex);
  }

  /** What is set aside is part of the file, although nothing may have been written there yet. */
  protected override get grainsEnd(): number {
    return Math.max(this.storage.sizeBytes, this.#space.end);
  }

  /** Behind all that is in use. */
  protected get usedEnd(): number {
    return this.#space.end;
  }

  get isDirty(): boolean {
    return this.#dirtyCount > 0;
  }

  reserve(count: number): Step<number> {
    return this.reserveBytes(count * this.blockBytes);
  }

  unreserve(hostOffset: number, count: number): Step<void> {
    return this.unreserveBytes(hostOffset, count * this.blockBytes);
  }

  /** As {@link reserve}, for grains that do not have their full length. */
  *reserveBytes(lengthBytes: number): Step<number> {
    const dirtyBytes = this.#dirtyCount * this.geometry.entriesPerTable * ENTRY_BYTES;
    if (dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    if (this.#space.end + lengthBytes > MAX_END) {
      throw new DiskError(
        'limit',
        'vmdk.extent-full',
        'The extent file has reached its largest size',
        { offset: this.#space.end, hint: 'Spread the disk over more extents.' },
      );
    }
    yield* this.#space.cutFile();
    return this.#space.reserve(lengthBytes);
  }

  *unreserveBytes(hostOffset: number, lengthBytes: number): Step<void> {
    yield* this.#space.unreserve(hostOffset, lengthBytes);
  }

  link(grainIndex: number, hostOffset: number): void {
    this.#setEntry(grainIndex, hostOffset / SECTOR_BYTES);
  }

  // eslint-disable-next-line require-yield
  *#linkZero(grainIndex: number): Step<void> {
    this.#setEntry(grainIndex, ZEROED_GRAIN);
  }

  #setEntry(grainIndex: number, entry: number): void {
    const { entriesPerTable } = this.geometry;
    const table = this.tables.get(Math.floor(grainIndex / entriesPerTable));
    if (table === undefined) throw noTable(grainIndex);
    const at = (grainIndex % entriesPerTable) * ENTRY_BYTES;
    table.entries.setUint32(at, entry, true);
    if (!table.dirty) this.#dirtyCount += 1;
    table.dirty = true;
  }

  *flush(): Step<void> {
    if (this.#holdsWholeGrains && this.#dirtyCount > 0) yield* this.#fillLastGrain();
    yield* flushStorage(this.storage);
    if (this.#dirtyCount === 0) return;
    const dirty = [...this.tables.values()].filter((table) => table.dirty);
    for (const table of dirty) yield* this.#write(table);
    yield* flushStorage(this.storage);
    for (const table of dirty) table.dirty = false;
    this.#dirtyCount = 0;
  }

  /** Other programs expect the file to hold every grain to its end. */
  *#fillLastGrain(): Step<void> {
    const { end } = this.#space;
    if (this.storage.sizeBytes < end) yield* truncateStorage(this.storage, end);
  }

  *#write({ index, hostOffset, entries }: GrainTable): Step<void> {
    const bytes = new Uint8Array(entries.buffer);
    const storage = during(this.storage, 'l2_update');
    yield* writeBytes(storage, bytes, hostOffset);
    const mirror = this.#redundant?.getUint32(index * ENTRY_BYTES, true) ?? 0;
    if (mirror === 0 || mirror * SECTOR_BYTES === hostOffset) return;
    yield* writeBytes(storage, bytes, mirror * SECTOR_BYTES);
  }

  *close(): Step<void> {}
}

/** Every writer lays out all tables from the start; without one there is nowhere to write to. */
function noTable(grainIndex: number): Error {
  return corrupt('vmdk.no-grain-table', `There is no table for grain ${grainIndex}`, 0);
}
