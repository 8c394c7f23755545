/** Entries of the snapshot table as they are written (specification, "Snapshots"). */
import { alignUp, DiskError, encodeName, writeU32be, writeU64be } from '@diskfile/bytes';
import type { SnapshotRequest } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import type { TableReference } from '../header/header-places.ts';
import { describeSnapshot, type Snapshot } from './snapshots.ts';
import { snapshotHeader } from '../structs.ts';

/** Longest name that `qemu-img snapshot -l` shows whole. */
const MAX_NAME_BYTES = 255;
const MAX_SNAPSHOTS = 65_536;
/** QEMU's bound on the table. */
const MAX_TABLE_BYTES = 64 * 1024 * 1024;
const MAX_U32 = 0xffff_ffff;
const TWO_32 = 0x1_0000_0000;
/** The extra data that QEMU writes: sizes of VM state and disk, and the instruction count. */
const EXTRA_BYTES = { vmState: 8, diskSize: 16, icount: 24 } as const;

/** An entry for the state of now, whose L1 table lies at `l1Table`. */
export function newSnapshot(
  { name, date }: SnapshotRequest,
  id: string,
  header: Qcow2Header,
  l1Table: TableReference,
): Snapshot {
  const nameBytes = encodeName(name);
  const extra = new Uint8Array(EXTRA_BYTES.icount);
  writeU64be(extra, EXTRA_BYTES.vmState, header.sizeBytes);
  const fixed = {
    l1_table_offset_high: Math.floor(l1Table.offset / TWO_32),
    l1_table_offset_low: l1Table.offset % TWO_32,
    l1_size: l1Table.entries,
    id_str_size: id.length,
    name_size: nameBytes.length,
    date_sec: date.seconds,
    date_nsec: date.nanoseconds,
    vm_clock_nsec_high: 0,
    vm_clock_nsec_low: 0,
    vm_state_size: 0,
    extra_data_size: extra.length,
  };
  const stored = { fixed, extra, id: encodeName(id), name: nameBytes };
  return describeSnapshot(stored, header);
}

/** @throws DiskError `invalid-argument` for a name or date that no entry can hold */
export function checkRequest({ name, date }: SnapshotRequest): void {
  const lengthBytes = encodeName(name).length;
  if (lengthBytes > MAX_NAME_BYTES) {
    throw refused(
      'qcow2.snapshot-name-too-long',
      `The name has ${lengthBytes} bytes; ${MAX_NAME_BYTES} are possible`,
    );
  }
  if (name.includes('\0')) {
    throw refused('qcow2.snapshot-name', 'The name of a snapshot cannot hold a NUL character');
  }
  if (isU32(date.seconds) && isU32(date.nanoseconds)) return;
  throw refused('qcow2.snapshot-date', 'Dates of snapshots lie between 1970 and 2106');
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_U32;
}

/** The id that QEMU would give: one more than the highest number among those that there are. */
export function nextId(list: readonly Snapshot[]): string {
  const taken = new Set(list.map(({ info }) => info.id));
  let next = 1;
  for (const id of taken) {
    const number = Number(/^\s*\+?(\d{1,15})(?!\d)/.exec(id)?.[1] ?? 0);
    next = Math.max(next, number + 1);
  }
  while (taken.has(String(next))) next += 1;
  return String(next);
}

/**
 * The whole table. Entries that lack what QEMU writes get it.
 * @throws DiskError `limit` for more than QEMU reads
 */
export function encodeSnapshotTable(list: readonly Snapshot[]): Uint8Array {
  return encodeEntries(list.map(encodeEntry));
}

/** A table of entries whose extra data are complete. @throws DiskError `limit` */
export function encodeEntries(list: readonly EncodedSnapshot[]): Uint8Array {
  if (list.length > MAX_SNAPSHOTS) throw tooMany();
  let lengthBytes = 0;
  for (const { extra, id, name } of list) {
    const entryBytes = snapshotHeader.spanBytes + extra.length + id.length + name.length;
    lengthBytes = alignUp(lengthBytes, 8) + entryBytes;
  }
  if (lengthBytes > MAX_TABLE_BYTES) throw tooMany();
  const table = new Uint8Array(lengthBytes);
  let at = 0;
  for (const { fixed, extra, id, name } of list) {
    at = alignUp(at, 8);
    table.set(fixed, at);
    writeU32be(table, at + snapshotHeader.offsetOf('extra_data_size'), extra.length);
    at += snapshotHeader.spanBytes;
    for (const part of [extra, id, name]) {
      table.set(part, at);
      at += part.length;
    }
  }
  return table;
}

/** The parts of an entry as the file has them. */
export interface EncodedSnapshot {
  readonly fixed: Uint8Array;
  readonly extra: Uint8Array;
  readonly id: Uint8Array;
  readonly name: Uint8Array;
}

function encodeEntry({ stored, info }: Snapshot): EncodedSnapshot {
  const fixed = new Uint8Array(snapshotHeader.spanBytes);
  snapshotHeader.encode(stored.fixed, fixed);
  const extra = completeExtra(stored.extra, info.vmStateBytes, info.diskSizeBytes);
  return { ...stored, fixed, extra };
}

/** @returns what is there, and what QEMU writes besides */
export function completeExtra(
  extra: Uint8Array,
  vmStateBytes: number,
  diskSizeBytes: number,
): Uint8Array {
  if (extra.length >= EXTRA_BYTES.icount) return extra;
  const complete = new Uint8Array(EXTRA_BYTES.icount);
  complete.set(extra);
  if (extra.length < EXTRA_BYTES.vmState) writeU64be(complete, 0, vmStateBytes);
  if (extra.length < EXTRA_BYTES.diskSize) {
    writeU64be(complete, EXTRA_BYTES.vmState, diskSizeBytes);
  }
  // All ones stand for none.
  for (const at of [16, 20]) writeU32be(complete, at, MAX_U32);
  return complete;
}

/** @throws DiskError `limit` where a table with so many entries cannot get one more */
export function checkRoomForOne(entries: number): void {
  if (entries >= MAX_SNAPSHOTS) throw tooMany();
}

function tooMany(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.snapshot-count',
    'The image has no room for more snapshots',
    {
      hint: 'Delete some first.',
      cause: Object.assign(new Error('too many'), { code: 'EFBIG' }),
    },
  );
}

function refused(detail: string, message: string): DiskError {
  return new DiskError('invalid-argument', detail, message);
}
