/** The internal snapshots of an image as a table. */
import type { SnapshotInfo } from 'diskfile';
import { sizeText } from './size.ts';

export function snapshotTable(snapshots: readonly SnapshotInfo[]): string {
  const rows = [['ID', 'TAG', 'VM SIZE', 'DATE', 'VM CLOCK', 'ICOUNT'], ...snapshots.map(rowOf)];
  return rows.map((row) => `${rowText(row)}\n`).join('');
}

function rowOf({ id, name, vmStateBytes, date, vmClockNanoseconds, icount }: SnapshotInfo) {
  return [
    id,
    name,
    sizeText(vmStateBytes),
    dateText(new Date(date.seconds * 1000)),
    clockText(Math.floor(vmClockNanoseconds / 1_000_000)),
    icount === undefined ? '' : String(icount),
  ];
}

function rowText([id, tag, size, date, clock, icount]: readonly string[]): string {
  const left = `${id!.padEnd(9)} ${tag!.padEnd(16)} `;
  return `${left}${size!.padStart(8)} ${date!.padStart(19)} ${clock!.padStart(12)} ${icount!.padStart(10)}`;
}

/** In the time zone of whoever asks. */
function dateText(date: Date): string {
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join('-');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
  return `${day} ${time}`;
}

function clockText(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${parts.map(twoDigits).join(':')}.${String(milliseconds % 1000).padStart(3, '0')}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
