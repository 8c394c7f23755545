/**
 * Grain tables of a stream-optimized extent with a footer: in memory while grains are added, and
 * behind them in the file with a flush. Grains that come after a flush take the place of what it
 * wrote, so the file is whole again only with the next one.
 */
import { DiskError, isAllZero } from '@diskfile/bytes';
import {
  flushStorage,
  type Limits,
  readBytes,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { type GrainGeometry, type GrainTable, tableCount } from './grain-tables.ts';
import { encodeStreamEnd } from './stream-end.ts';
import { SECTOR_BYTES } from './structs.ts';
import { WritableGrainTables } from './writable-grain-tables.ts';

const ENTRY_BYTES = 4;

export class StreamedGrainTables extends WritableGrainTables {
  override readonly endsBehindLastGrain = true;
  /** Whether the file ends in what stands for the tables as they are. */
  #isWhole = true;

  /**
   * @param dataOffset where the first grain goes
   * @throws DiskError `limit` for a disk whose tables take more memory than one structure may
   */
  constructor(
    storage: WritableStorage,
    geometry: GrainGeometry,
    dataOffset: number,
    limits: Limits,
  ) {
    const tablesBytes = tableCount(geometry) * geometry.entriesPerTable * ENTRY_BYTES;
    if (tablesBytes > limits.maxStructureBytes) throw tooLarge(tablesBytes);
    const directory = new Uint8Array(tableCount(geometry) * ENTRY_BYTES);
    const parts = { directory, redundant: undefined, usedEnd: dataOffset, alignment: SECTOR_BYTES };
    super(storage, geometry, parts, limits);
  }

  /** There is a table in memory wherever one has been asked for. */
  protected override tableSector(tableIndex: number): number {
    return this.tables.has(tableIndex) ? 1 : 0;
  }

  // eslint-disable-next-line require-yield
  protected override *loadTable(tableIndex: number): Step<GrainTable | undefined> {
    const bytes = new ArrayBuffer(this.geometry.entriesPerTable * ENTRY_BYTES);
    // What is dirty is never dropped.
    const table = { index: tableIndex, hostOffset: 0, entries: new DataView(bytes), dirty: true };
    return this.tables.get(tableIndex) ?? this.keep(table);
  }

  override link(grainIndex: number, hostOffset: number): void {
    this.#isWhole = false;
    super.link(grainIndex, hostOffset);
  }

  override *flush(): Step<void> {
    if (!this.#isWhole) {
      const { storage, usedEnd } = this;
      const tables = Array.from({ length: tableCount(this.geometry) }, (_, index) => {
        const table = this.tables.get(index);
        const bytes = table && new Uint8Array(table.entries.buffer);
        return bytes === undefined || isAllZero(bytes) ? undefined : bytes;
      });
      const header = yield* readBytes(storage, 0, SECTOR_BYTES);
      const end = encodeStreamEnd({ tables, header, hostOffset: usedEnd });
      yield* writeBytes(storage, end, usedEnd);
      yield* truncateStorage(storage, usedEnd + end.length);
      this.#isWhole = true;
    }
    yield* flushStorage(this.storage);
  }
}

function tooLarge(lengthBytes: number): DiskError {
  return new DiskError(
    'limit',
    'vmdk.stream-tables',
    `The grain tables take ${lengthBytes} bytes`,
    {
      hint: 'Raise limits.maxStructureBytes, or leave out the footer.',
    },
  );
}
