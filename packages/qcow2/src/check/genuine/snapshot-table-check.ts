/** The snapshot table: read as QEMU reads it, and written anew where that mends it. */
import { alignUp, decodeName, divideUp, readU16be, readU32be } from '@diskfile/bytes';
import { flushStorage, isWritable, type Step, type Storage, writeBytes } from '@diskfile/core';
import { StorageCursor } from '../../storage-cursor.ts';
import { snapshotHeader } from '../../structs.ts';
import type { CheckedHeader } from '../checked-header.ts';
import { HeaderRepair } from '../repair/header-repair.ts';
import { completeSnapshotTable } from '../repair/snapshot-table.ts';
import { isPossiblePlace, type SnapshotEntry } from '../snapshot-entries.ts';
import type { MetadataPlaces } from './metadata-places.ts';
import type { RefcountFile } from './refcount-file.ts';
import { CheckStopped, hex64, type Transcript } from './transcript.ts';

/** QEMU's own bounds. */
const MAX_SNAPSHOTS = 65_536;
const MAX_EXTRA_BYTES = 1024;
const MAX_TABLE_BYTES = MAX_SNAPSHOTS * 1024;
/** Of an entry's end in the table, before anything is discarded. */
const MAX_POSITION = 2 ** 31 - 1;
const MAX_FILE_BYTES = 2 ** 63 - 2 ** 30;
/** Entries of version 3 tell the size of the VM state and of the disk, 8 bytes each. */
const V3_EXTRA_BYTES = 16;
const TWO_32 = 0x1_0000_0000;
const COULD_NOT_READ = 'ERROR failed to read the snapshot table: ';

export interface NamedSnapshot {
  readonly id: string;
  readonly name: string;
  readonly l1Offset: number;
  /** In hexadecimal digits, exact for what no number holds. */
  readonly l1Digits: string;
  readonly l1Entries: number;
}

export class SnapshotTableCheck {
  readonly snapshots: NamedSnapshot[] = [];
  lengthBytes = 0;
  corruptions = 0;
  corruptionsFixed = 0;
  readonly #storage: Storage;
  readonly #checked: CheckedHeader;
  readonly #mends: boolean;
  readonly #entries: SnapshotEntry[] = [];

  constructor(storage: Storage, checked: CheckedHeader, mends: boolean) {
    this.#storage = storage;
    this.#checked = checked;
    this.#mends = mends;
  }

  /** @throws CheckStopped for a table that keeps QEMU from going on */
  *read(transcript: Transcript): Step<void> {
    const { snapshotCount, snapshotsOffset } = this.#checked;
    if (snapshotCount > MAX_SNAPSHOTS && !this.#mends) {
      transcript.failure('ERROR snapshot table too large', [
        `You can force-remove all ${snapshotCount - MAX_SNAPSHOTS} overhanging snapshots with ` +
          'qemu-img check -r all',
      ]);
      throw new CheckStopped('EFBIG');
    }
    if (snapshotCount > MAX_SNAPSHOTS) {
      transcript.say(`Discarding ${snapshotCount - MAX_SNAPSHOTS} overhanging snapshots`);
      this.corruptions += snapshotCount - MAX_SNAPSHOTS;
    }
    if (!isPossiblePlace(this.#checked)) {
      transcript.failure('ERROR snapshot table offset invalid');
      throw new CheckStopped('EINVAL');
    }
    const cursor = new StorageCursor(this.#storage, snapshotsOffset);
    const count = Math.min(snapshotCount, MAX_SNAPSHOTS);
    // Without what is discarded.
    let keptBytes = 0;
    for (let index = 0; index < count; index++) {
      keptBytes = alignUp(keptBytes, 8) + (yield* this.#next(cursor, index, transcript));
      if (keptBytes > MAX_TABLE_BYTES || cursor.position > MAX_POSITION) {
        this.#discardFrom(index, count, transcript);
        break;
      }
      this.lengthBytes = cursor.position;
    }
    this.#tellIncomplete(transcript);
  }

  /** The entry that ends behind the bound goes with all that follow. */
  #discardFrom(index: number, count: number, transcript: Transcript): void {
    if (!this.#mends) {
      transcript.failure(`${COULD_NOT_READ}Snapshot table is too big`, [
        `You can force-remove all ${count - index} overhanging snapshots with qemu-img check -r all`,
      ]);
      throw new CheckStopped('EFBIG');
    }
    transcript.say(`Discarding ${count - index} overhanging snapshots (snapshot table is too big)`);
    this.corruptions += count - index;
    this.snapshots.length = index;
    this.#entries.length = index;
  }

  /** @returns how many bytes of the table are kept for the entry */
  *#next(cursor: StorageCursor, index: number, transcript: Transcript): Step<number> {
    cursor.position = alignUp(cursor.position, 8);
    if (cursor.offset + snapshotHeader.spanBytes > MAX_FILE_BYTES) {
      transcript.failure(`${COULD_NOT_READ}Failed to read snapshot table: Input/output error`);
      throw new CheckStopped('EIO');
    }
    const fixed = yield* cursor.take(snapshotHeader.spanBytes);
    const extraBytes = readU32be(fixed, snapshotHeader.offsetOf('extra_data_size'));
    const extra = yield* cursor.take(Math.min(extraBytes, MAX_EXTRA_BYTES));
    if (extraBytes > MAX_EXTRA_BYTES) {
      if (!this.#mends) {
        transcript.failure(
          `${COULD_NOT_READ}Too much extra metadata in snapshot table entry ${index}`,
          ['You can force-remove this extra metadata with qemu-img check -r all'],
        );
        throw new CheckStopped('EFBIG');
      }
      transcript.say(
        `Discarding too much extra metadata in snapshot table entry ${index} ` +
          `(${extraBytes} > ${MAX_EXTRA_BYTES})`,
      );
      this.corruptions += 1;
      cursor.position += extraBytes - MAX_EXTRA_BYTES;
    }
    const id = yield* cursor.take(readU16be(fixed, snapshotHeader.offsetOf('id_str_size')));
    const name = yield* cursor.take(readU16be(fixed, snapshotHeader.offsetOf('name_size')));
    const l1At = snapshotHeader.offsetOf('l1_table_offset_high');
    const l1Offset = readU32be(fixed, l1At) * TWO_32 + readU32be(fixed, l1At + 4);
    const l1Entries = readU32be(fixed, snapshotHeader.offsetOf('l1_size'));
    // What the cursor hands out is only valid until it reads on.
    const copies = {
      fixed: fixed.slice(),
      extra: extra.slice(),
      id: id.slice(),
      name: name.slice(),
    };
    this.#entries.push({ ...copies, l1Offset, l1Entries });
    const l1Digits = hex64(readU32be(fixed, l1At), readU32be(fixed, l1At + 4));
    this.snapshots.push({
      id: decodeName(id),
      name: decodeName(name),
      l1Offset,
      l1Digits,
      l1Entries,
    });
    return fixed.length + extra.length + copies.id.length + copies.name.length;
  }

  #tellIncomplete(transcript: Transcript): void {
    if (this.#checked.header.version === 2) return;
    for (const [index, { extra }] of this.#entries.entries()) {
      if (extra.length >= V3_EXTRA_BYTES) continue;
      const verb = this.#mends ? 'Repairing' : 'ERROR';
      transcript.say(`${verb} snapshot table entry ${index} is incomplete`);
      this.corruptions += 1;
    }
  }

  /** Puts the table to another place, where anything is wrong with it. */
  *write(transcript: Transcript, refcounts: RefcountFile, places: MetadataPlaces): Step<void> {
    const storage = this.#storage;
    if (this.corruptions === 0 || !isWritable(storage)) return;
    const { header, snapshotsOffset } = this.#checked;
    const { clusterBytes } = header;
    const table = completeSnapshotTable(this.#entries, header.sizeBytes);
    const clusters = divideUp(table.length, clusterBytes);
    const start = yield* this.#findPlace(refcounts, clusters);
    const old = Math.floor(snapshotsOffset / clusterBytes);
    const oldClusters = divideUp(this.lengthBytes, clusterBytes);
    // What lies behind the end of the file is not counted.
    const isInTheWay =
      start !== undefined && start < old + oldClusters && start + clusters > old && clusters > 0;
    if (isInTheWay) yield* places.markCorrupt('snapshot table', transcript);
    if (start === undefined || isInTheWay) {
      transcript.checkError('ERROR failed to update snapshot table: Input/output error');
      throw new CheckStopped('EIO');
    }
    for (let index = start; index < start + clusters; index++) yield* refcounts.set(index, 1);
    yield* writeBytes(storage, table, start * clusterBytes);
    yield* flushStorage(storage);
    const hostOffset = clusters === 0 ? 0 : start * clusterBytes;
    yield* new HeaderRepair(storage, header).setSnapshotTable(hostOffset, this.#entries.length);
    // Beyond 2^53 there is no next number to go on to.
    for (let number = 0; number < oldClusters; number++) {
      const index = old + number;
      const count = yield* refcounts.get(index);
      if (count === 1) yield* refcounts.release(index);
      else if (count !== undefined && count > 1) yield* refcounts.set(index, count - 1);
    }
    this.corruptionsFixed = this.corruptions;
    this.corruptions = 0;
  }

  /** The first clusters in a row that are free and can be counted. */
  *#findPlace(refcounts: RefcountFile, clusters: number): Step<number | undefined> {
    const end = refcounts.blocks * refcounts.clustersPerBlock;
    let start = 0;
    for (let index = 0; index < start + clusters; index++) {
      if (
        index >= end ||
        refcounts.blockOffset(Math.floor(index / refcounts.clustersPerBlock)) === 0
      )
        return undefined;
      if ((yield* refcounts.get(index)) !== 0) start = index + 1;
    }
    return start;
  }
}
