/** The header of a tar member: a ustar block, behind a pax header where ustar cannot say it all. */
import { alignUp, encodeName } from '@diskfile/bytes';
import type { FileStats, Timestamp } from 'diskfile';
import { Header } from 'tar/header';
import { PaxRecords } from './pax-records.ts';
import { BLOCK_BYTES } from './tar-blocks.ts';

export type MemberType =
  | 'File'
  | 'Link'
  | 'SymbolicLink'
  | 'CharacterDevice'
  | 'BlockDevice'
  | 'Directory'
  | 'FIFO';

export interface Member {
  readonly type: MemberType;
  /** Guest text; a directory's ends in `/`. */
  readonly name: string;
  /** Target of a symbolic link, or name of the member that a hard link is the same file as. */
  readonly linkName?: string;
  /** Bytes that follow the header. */
  readonly storedBytes: number;
  readonly stats: FileStats;
  /** What else the pax header shall say. */
  readonly records: PaxRecords;
}

/** Widths of ustar fields (POSIX.1-2017, pax, "ustar Header Block"). */
const MAX_USTAR_NAME_BYTES = 100;
const MAX_USTAR_ID = 0o7777777;
const MAX_USTAR_NUMBER = 0o77777777777;

/** All blocks that stand in front of a member's bytes. Completes `member.records`. */
export function encodeMemberHeader(member: Member): Uint8Array {
  const { type, name, linkName = '', storedBytes, stats, records } = member;
  const { uid, gid, modifyTime, permissions, device } = stats;
  if (!fitsUstar(name)) records.add('path', name);
  if (!fitsUstar(linkName)) records.add('linkpath', linkName);
  if (uid > MAX_USTAR_ID) records.add('uid', String(uid));
  if (gid > MAX_USTAR_ID) records.add('gid', String(gid));
  if (storedBytes > MAX_USTAR_NUMBER) records.add('size', String(storedBytes));
  const plainTime =
    modifyTime.nanoseconds === 0 &&
    modifyTime.seconds >= 0 &&
    modifyTime.seconds <= MAX_USTAR_NUMBER;
  if (!plainTime) records.add('mtime', decimalTime(modifyTime));
  const block = ustarBlock({
    path: ustarName(name),
    linkpath: ustarName(linkName),
    type,
    mode: permissions,
    uid,
    gid,
    size: storedBytes,
    mtime: new Date(clamp(modifyTime.seconds, MAX_USTAR_NUMBER) * 1000),
    devmaj: device?.major ?? 0,
    devmin: device?.minor ?? 0,
  });
  return records.isEmpty ? block : Buffer.concat([paxHeader(name, records), block]);
}

function paxHeader(name: string, records: PaxRecords): Uint8Array {
  const body = records.encode();
  const padded = new Uint8Array(alignUp(body.length, BLOCK_BYTES));
  padded.set(body);
  const base = name.replace(/\/$/, '').split('/').at(-1)!;
  const block = ustarBlock({
    path: ustarName(`PaxHeaders/${base}`),
    linkpath: '',
    type: 'ExtendedHeader',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: new Date(0),
    devmaj: 0,
    devmin: 0,
  });
  return Buffer.concat([block, padded]);
}

interface UstarFields {
  readonly path: string;
  readonly linkpath: string;
  readonly type: MemberType | 'ExtendedHeader';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: Date;
  readonly devmaj: number;
  readonly devmin: number;
}

function ustarBlock(fields: UstarFields): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  new Header({ ...fields, uname: '', gname: '' }).encode(block, 0);
  return block;
}

function fitsUstar(name: string): boolean {
  return name.length <= MAX_USTAR_NAME_BYTES && /^[ -~]*$/.test(name);
}

/** What a reader without pax sees: ASCII, and the end of names that are too long. */
function ustarName(name: string): string {
  if (fitsUstar(name)) return name;
  const ascii = Array.from(encodeName(name), (byte) =>
    byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '_',
  );
  return ascii.slice(-MAX_USTAR_NAME_BYTES).join('').replace(/^\/+/, '_');
}

/** Seconds with a fraction, as pax wants them: half a second before 1970 is `-0.5`. */
export function decimalTime({ seconds, nanoseconds }: Timestamp): string {
  const negative = seconds < 0;
  const borrow = negative && nanoseconds > 0;
  const whole = Math.abs(borrow ? seconds + 1 : seconds);
  const fraction = String(borrow ? 1e9 - nanoseconds : nanoseconds).padStart(9, '0');
  const digits = fraction.replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${digits === '' ? '' : `.${digits}`}`;
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max);
}
