/**
 * The members of a tar archive: ustar (POSIX.1-1988), pax headers (POSIX.1-2001), and the long names
 * and large sizes of GNU tar.
 */
import { DiskError, decodeName, isAllZero } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';

const BLOCK_BYTES = 512;
/** Of an appliance; there are some disks and a few small files in it. */
const MAX_MEMBERS = 4096;
/** Of names and pax headers. */
const MAX_TEXT_BYTES = 64 * 1024;
const FIELD = {
  name: [0, 100],
  size: [124, 12],
  chksum: [148, 8],
  typeflag: [156, 1],
  magic: [257, 6],
  prefix: [345, 155],
} as const;

export interface Member {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

interface Header {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
}

function field(block: Uint8Array, name: keyof typeof FIELD): Uint8Array {
  const [at, length] = FIELD[name];
  return block.subarray(at, at + length);
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or with the upper bit set a number in base 256. */
function parseNumber(bytes: Uint8Array): number {
  if (bytes[0]! < 0x80) {
    const digits = text(bytes).trim();
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits === '' ? '0' : digits, 8) : Number.NaN;
  }
  // The first byte has nothing but the mark where the number is not negative or huge.
  if (bytes[0] !== 0x80) return Number.NaN;
  return bytes.subarray(1).reduce((value, byte) => value * 256 + byte, 0);
}

/** Undefined for a block that is no header. */
export function parseHeader(block: Uint8Array): Header | undefined {
  if (block.length < BLOCK_BYTES) return undefined;
  const [sumAt, sumLength] = FIELD.chksum;
  let sum = 0x20 * sumLength;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    if (at < sumAt || at >= sumAt + sumLength) sum += block[at]!;
  }
  if (parseNumber(field(block, 'chksum')) !== sum) return undefined;
  const sizeBytes = parseNumber(field(block, 'size'));
  if (!Number.isSafeInteger(sizeBytes)) return undefined;
  const name = text(field(block, 'name'));
  // GNU tar keeps other things where ustar has the prefix.
  const isUstar = text(field(block, 'magic')) === 'ustar';
  const prefix = isUstar ? text(field(block, 'prefix')) : '';
  const type = String.fromCharCode(field(block, 'typeflag')[0]!);
  return { name: prefix === '' ? name : `${prefix}/${name}`, type, sizeBytes };
}

/** What headers say of the member behind them. */
interface Override {
  name?: string;
  sizeBytes?: number;
}

/** The files in an archive, in order. @throws DiskError `corrupt`, `limit` */
export function* readMembers(storage: Storage): Step<Member[]> {
  const members: Member[] = [];
  let override: Override = {};
  let count = 0;
  for (let at = 0; at + BLOCK_BYTES <= storage.sizeBytes; count++) {
    const block = yield* readBytes(storage, at, BLOCK_BYTES);
    if (isAllZero(block)) break;
    const header = parseHeader(block);
    if (header === undefined) throw broken('No header of a member is where one should be', at);
    if (count === MAX_MEMBERS) throw tooMany(at);
    const offset = at + BLOCK_BYTES;
    const isText = header.type === 'L' || header.type === 'x';
    const sizeBytes = isText ? header.sizeBytes : (override.sizeBytes ?? header.sizeBytes);
    const end = offset + sizeBytes;
    if (end > storage.sizeBytes) throw broken('A member is longer than the archive', at);
    if (isText) {
      if (sizeBytes > MAX_TEXT_BYTES) throw broken('A name is longer than names can be', at);
      const bytes = yield* readBytes(storage, offset, sizeBytes);
      if (header.type === 'L') override.name = text(bytes);
      else override = { ...override, ...parsePax(bytes) };
    } else {
      if (header.type === '0' || header.type === '\0' || header.type === '7') {
        members.push({ name: plainName(override.name ?? header.name), offset, sizeBytes });
      }
      if (header.type !== 'g') override = {};
    }
    at = offset + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return members;
}

export function plainName(name: string): string {
  return name.replace(/^(\.\/)+/, '');
}

/** Records of a pax header: their length, a keyword and its value. */
function parsePax(bytes: Uint8Array): Override {
  const found: Override = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    if (space < 0) break;
    const length = Number(decodeName(bytes.subarray(at, space)));
    if (!Number.isSafeInteger(length) || length <= space - at || at + length > bytes.length) break;
    const record = decodeName(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    if (record.slice(0, equals) === 'path') found.name = value;
    if (record.slice(0, equals) === 'size' && /^\d{1,15}$/.test(value)) {
      found.sizeBytes = Number(value);
    }
    at += length;
  }
  return found;
}

/**
 * Whether a file begins as an archive whose first file is called as an OVF descriptor is. Where tar
 * alone has put the archive together, its manifest and certificate may come before it, or a disk,
 * behind which nothing more is seen.
 */
export function beginsWithOvf(head: Uint8Array): boolean {
  let longName: string | undefined;
  for (let at = 0; at + BLOCK_BYTES <= head.length;) {
    const header = parseHeader(head.subarray(at, at + BLOCK_BYTES));
    if (header === undefined) return false;
    const data = head.subarray(at + BLOCK_BYTES, at + BLOCK_BYTES + header.sizeBytes);
    if (header.type === 'L') longName = text(data);
    else if (header.type === 'x') longName = parsePax(data).name ?? longName;
    else if (header.type !== 'g') {
      const name = longName ?? header.name;
      const isFolder = header.type === '5';
      if (!isFolder && !/\.(mf|cert)$/i.test(name)) return /\.(ovf|vmdk)$/i.test(name);
      longName = undefined;
    }
    at += BLOCK_BYTES + Math.ceil(header.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return false;
}

export function broken(message: string, offset: number): DiskError {
  return new DiskError('corrupt', 'ova.broken', message, {
    offset,
    hint: 'Copy or download the file anew.',
  });
}

function tooMany(offset: number): DiskError {
  const message = `The archive has more than ${MAX_MEMBERS} members`;
  return new DiskError('limit', 'ova.members', message, { offset });
}
