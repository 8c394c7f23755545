/** The snapshot table, read as far as it can be, and what is wrong with it. */
import { alignUp, isAligned, readU16be, readU32be } from '@diskfile/bytes';
import type { Step, Storage } from '@diskfile/core';
import { hex } from '../errors.ts';
import { StorageCursor } from '../storage-cursor.ts';
import { snapshotHeader } from '../structs.ts';
import type { CheckedHeader } from './checked-header.ts';
import type { Findings } from './findings.ts';

/** QEMU's own bounds. */
const MAX_SNAPSHOTS = 65_536;
const MAX_EXTRA_BYTES = 1024;
const MAX_TABLE_BYTES = MAX_SNAPSHOTS * 1024;
/** Entries of version 3 tell the size of the VM state and of the disk, 8 bytes each. */
const V3_EXTRA_BYTES = 16;
const TWO_32 = 0x1_0000_0000;
const MAX_OFFSET = 2 ** 63;

/** One entry, in the parts in which the file has them. */
export interface SnapshotEntry {
  readonly fixed: Uint8Array;
  readonly extra: Uint8Array;
  readonly id: Uint8Array;
  readonly name: Uint8Array;
  readonly l1Offset: number;
  readonly l1Entries: number;
}

export interface SnapshotEntries {
  readonly list: readonly SnapshotEntry[];
  /** From the start of the table to the end of its last entry. */
  readonly lengthBytes: number;
  /** Whether writing the table anew as it was understood mends it. */
  readonly isMendable: boolean;
}

export const NO_SNAPSHOTS: SnapshotEntries = { list: [], lengthBytes: 0, isMendable: false };

/** @param repairing whether the table may be written anew, so that nothing of it keeps one off */
export function* readSnapshotEntries(
  storage: Storage,
  checked: CheckedHeader,
  findings: Findings,
  repairing: boolean,
): Step<SnapshotEntries> {
  const { snapshotsOffset, snapshotCount, header } = checked;
  if (!isPossiblePlace(checked)) {
    findings.brokenReferences += 1;
    findings.checkError(1, () => ({
      detail: 'qcow2.check.snapshot-table-unaligned',
      message: `No snapshot table can begin at ${hex(snapshotsOffset)}`,
      hostOffset: 64,
    }));
    return NO_SNAPSHOTS;
  }
  if (snapshotCount === 0) return NO_SNAPSHOTS;
  const minExtraBytes = header.version === 3 ? V3_EXTRA_BYTES : 0;
  const reading = new SnapshotReading(storage, snapshotsOffset, findings, repairing);
  return yield* reading.run(snapshotCount, minExtraBytes);
}

/** Whether the table begins at a cluster, and ends within what a file can hold. */
export function isPossiblePlace({
  snapshotsOffset,
  snapshotCount,
  header,
}: Pick<CheckedHeader, 'snapshotsOffset' | 'snapshotCount' | 'header'>): boolean {
  const lengthBytes = Math.min(snapshotCount, MAX_SNAPSHOTS) * snapshotHeader.spanBytes;
  return (
    isAligned(snapshotsOffset, header.clusterBytes) && snapshotsOffset + lengthBytes < MAX_OFFSET
  );
}

class SnapshotReading {
  readonly #cursor: StorageCursor;
  readonly #start: number;
  readonly #findings: Findings;
  readonly #repairing: boolean;
  readonly #list: SnapshotEntry[] = [];
  #isMendable = false;

  constructor(storage: Storage, start: number, findings: Findings, repairing: boolean) {
    this.#cursor = new StorageCursor(storage, start);
    this.#start = start;
    this.#findings = findings;
    this.#repairing = repairing;
  }

  *run(count: number, minExtraBytes: number): Step<SnapshotEntries> {
    if (count > MAX_SNAPSHOTS) this.#tooMany(count - MAX_SNAPSHOTS);
    let lengthBytes = 0;
    for (let index = 0; index < Math.min(count, MAX_SNAPSHOTS); index++) {
      this.#list.push(yield* this.#next(index, minExtraBytes));
      lengthBytes = this.#cursor.position;
      if (lengthBytes <= MAX_TABLE_BYTES) continue;
      this.#tooMany(count - index - 1);
      break;
    }
    return { list: this.#list, lengthBytes, isMendable: this.#isMendable };
  }

  *#next(index: number, minExtraBytes: number): Step<SnapshotEntry> {
    const cursor = this.#cursor;
    cursor.position = alignUp(cursor.position, 8);
    const entryOffset = cursor.offset;
    const fixed = yield* cursor.take(snapshotHeader.spanBytes);
    const extraBytes = readU32be(fixed, snapshotHeader.offsetOf('extra_data_size'));
    const extra = yield* cursor.take(Math.min(extraBytes, MAX_EXTRA_BYTES));
    if (extraBytes > MAX_EXTRA_BYTES) {
      cursor.position += extraBytes - MAX_EXTRA_BYTES;
      this.#mendable(true, entryOffset, `Snapshot ${index} has too much extra data`);
    }
    if (extraBytes < minExtraBytes) {
      this.#mendable(false, entryOffset, `Snapshot ${index} does not tell the size of its disk`);
    }
    const id = yield* cursor.take(readU16be(fixed, snapshotHeader.offsetOf('id_str_size')));
    const name = yield* cursor.take(readU16be(fixed, snapshotHeader.offsetOf('name_size')));
    const l1At = snapshotHeader.offsetOf('l1_table_offset_high');
    return {
      fixed,
      extra,
      id,
      name,
      l1Offset: readU32be(fixed, l1At) * TWO_32 + readU32be(fixed, l1At + 4),
      l1Entries: readU32be(fixed, snapshotHeader.offsetOf('l1_size')),
    };
  }

  #tooMany(count: number): void {
    if (count <= 0) return;
    this.#mendable(true, this.#start, `There are ${count} snapshots more than there can be`);
  }

  /** @param isCheckError whether QEMU refuses to go on unless it may repair it */
  #mendable(isCheckError: boolean, hostOffset: number, message: string): void {
    this.#isMendable = true;
    const describe = () => ({ detail: 'qcow2.check.snapshot-entry', message, hostOffset });
    if (isCheckError && !this.#repairing) this.#findings.checkError(1, describe);
    else this.#findings.corruption(1, describe);
  }
}
