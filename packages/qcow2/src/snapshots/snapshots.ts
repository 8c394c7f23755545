/** Internal snapshots (specification, "Snapshots"): the list, and the one to open. */
import { alignUp, decodeName, DiskError, readU32be, readU64be } from '@diskfile/bytes';
import {
  type DiskWarning,
  type Limits,
  quote,
  type SnapshotInfo,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import type { Qcow2Header } from '../header/header.ts';
import { MAX_L1_BYTES, type TableReference } from '../header/header-places.ts';
import { StorageCursor } from '../storage-cursor.ts';
import { snapshotHeader } from '../structs.ts';

export interface Snapshot {
  readonly info: SnapshotInfo;
  readonly l1Table: TableReference;
  readonly stored: StoredSnapshot;
}

/** The parts of a table entry as the file has them, so that nothing is lost in writing it again. */
export interface StoredSnapshot {
  readonly fixed: ReturnType<typeof snapshotHeader.decode>;
  readonly extra: Uint8Array;
  readonly id: Uint8Array;
  readonly name: Uint8Array;
}

export interface SnapshotTable {
  readonly list: readonly Snapshot[];
  /** From the start of the table in the image file to the end of its last entry. */
  readonly lengthBytes: number;
}

/** QEMU's own bound on what follows the fixed fields of an entry. */
const MAX_EXTRA_BYTES = 1024;
const TWO_32 = 0x1_0000_0000;
const NO_ICOUNT = 0xffff_ffff;

/**
 * Reads the snapshot table. What of it lies past the end of the file is left out with a warning;
 * the rest of the image is as good as it was.
 * @throws DiskError `corrupt` or `limit` for a table that cannot be walked.
 */
export function* readSnapshots(
  storage: Storage,
  header: Qcow2Header,
  limits: Limits,
  warn: (warning: DiskWarning) => void,
): Step<SnapshotTable> {
  const { offset, entries } = header.snapshotTable;
  const snapshots: Snapshot[] = [];
  const cursor = new StorageCursor(storage, offset);
  for (let index = 0; index < entries; index++) {
    cursor.position = alignUp(cursor.position, 8);
    if (cursor.offset + snapshotHeader.spanBytes > storage.sizeBytes) {
      warn({
        detail: 'qcow2.snapshot-table-cut',
        message: `The file ends within the snapshot table, after ${index} of ${entries} snapshots`,
      });
      break;
    }
    snapshots.push(yield* readSnapshot(cursor, header, index));
    if (cursor.position > limits.maxStructureBytes) {
      throw new DiskError(
        'limit',
        'qcow2.snapshot-table-size',
        `Snapshot ${index} of ${entries} ends behind ${limits.maxStructureBytes} bytes of the table`,
        { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
      );
    }
  }
  return { list: snapshots, lengthBytes: cursor.position };
}

function* readSnapshot(cursor: StorageCursor, header: Qcow2Header, index: number): Step<Snapshot> {
  const entryOffset = cursor.offset;
  const raw = snapshotHeader.decode(yield* cursor.take(snapshotHeader.spanBytes));
  if (raw.extra_data_size > MAX_EXTRA_BYTES) {
    throw corrupt(
      'qcow2.snapshot-extra-data',
      `Snapshot ${index} has ${raw.extra_data_size} bytes of extra data; up to ${MAX_EXTRA_BYTES} are possible`,
      { offset: entryOffset },
    );
  }
  const extra = (yield* cursor.take(raw.extra_data_size)).slice();
  const id = (yield* cursor.take(raw.id_str_size)).slice();
  const name = (yield* cursor.take(raw.name_size)).slice();
  return describeSnapshot({ fixed: raw, extra, id, name }, header);
}

/** What an entry says. */
export function describeSnapshot(stored: StoredSnapshot, header: Qcow2Header): Snapshot {
  const { fixed: raw, extra, id, name } = stored;
  return {
    l1Table: {
      offset: raw.l1_table_offset_high * TWO_32 + raw.l1_table_offset_low,
      entries: raw.l1_size,
    },
    info: {
      id: decodeName(untilNul(id)),
      name: decodeName(untilNul(name)),
      ...decodeExtra(extra, header, raw.vm_state_size),
      date: { seconds: raw.date_sec, nanoseconds: raw.date_nsec },
      vmClockNanoseconds: raw.vm_clock_nsec_high * TWO_32 + raw.vm_clock_nsec_low,
    },
    stored,
  };
}

/** QEMU takes names for C strings. */
function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * To be asked before the L1 table of a snapshot is looked at: the list alone says nothing of it.
 * @throws DiskError `corrupt` for one that cannot be
 */
export function checkSnapshotL1({ offset, entries }: TableReference, clusterBytes: number): void {
  if (!Number.isSafeInteger(offset) || offset % clusterBytes !== 0) {
    throw corrupt(
      'qcow2.snapshot-l1-table-unaligned',
      `The L1 table of a snapshot is said to begin at ${hex(offset)}, where no cluster does`,
    );
  }
  if (entries * 8 <= MAX_L1_BYTES) return;
  throw corrupt(
    'qcow2.snapshot-l1-table-too-large',
    `The L1 table of a snapshot is said to have ${entries} entries, more than ${MAX_L1_BYTES} bytes`,
  );
}

/** Fields of the extra data, as far as it reaches: images grew them one after another. */
function decodeExtra(
  extra: Uint8Array,
  header: Qcow2Header,
  vmStateSize: number,
): Pick<SnapshotInfo, 'vmStateBytes' | 'diskSizeBytes' | 'icount'> {
  const vmStateBytes = extra.length >= 8 ? readU64be(extra, 0, 'vm_state_size') : vmStateSize;
  const diskSize = extra.length >= 16 ? readU64be(extra, 8, 'disk_size') : header.sizeBytes;
  const sizes = { vmStateBytes, diskSizeBytes: diskSize - (diskSize % 512) };
  if (extra.length < 24) return sizes;
  const high = readU32be(extra, 16);
  const low = readU32be(extra, 20);
  // All ones stand for none.
  if (high === NO_ICOUNT && low === NO_ICOUNT) return sizes;
  return { ...sizes, icount: high * TWO_32 + low };
}

/**
 * The snapshot that a user means: an id counts before a name, as with `qemu-img convert -l`.
 * @throws DiskError `not-found`, with the list as a hint.
 */
export function findSnapshot(snapshots: readonly Snapshot[], wanted: string): Snapshot {
  const found =
    snapshots.find(({ info }) => info.id === wanted) ??
    snapshots.find(({ info }) => info.name === wanted);
  if (found !== undefined) return found;
  const shown = snapshots.slice(0, 20).map(({ info }) => `${quote(info.name)} (id ${info.id})`);
  if (snapshots.length > shown.length) shown.push('…');
  throw new DiskError(
    'not-found',
    'qcow2.snapshot-not-found',
    `The image has no snapshot ${quote(wanted)}`,
    {
      hint: shown.length === 0 ? 'It has no snapshots at all.' : `There are: ${shown.join(', ')}.`,
    },
  );
}
