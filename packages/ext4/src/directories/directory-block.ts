/** The entries in one block of a directory ("Directory Entries"). */
import { crc32cRaw, decodeName, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { DirectoryEntry, FileType } from '@diskfile/core';
import { crc32cU32le } from '../checksum.ts';
import { INCOMPAT } from '../features.ts';
import type { Inode } from '../inodes/inode.ts';
import type { Report } from '../report.ts';
import type { Superblock } from '../superblock.ts';

/** Bytes of an entry before its name. */
const ENTRY_HEADER_BYTES = 8;
const MIN_ENTRY_BYTES = 12;
const MAX_NAME_BYTES = 255;
const LARGE_BLOCK_BYTES = 65536;
const DOT = 0x2e;

const TYPES: readonly FileType[] = [
  'unknown',
  'file',
  'directory',
  'character-device',
  'block-device',
  'fifo',
  'socket',
  'symlink',
];

/** The fake entry at the end of a block that holds its checksum. */
const TAIL_BYTES = 12;
const TAIL_FILE_TYPE = 0xde;
/** The tail of an index block has the size of one index entry. */
const INDEX_ENTRY_BYTES = 8;
/** Before the counts: `.`, `..` and facts about the tree, or one fake entry. */
const ROOT_COUNTS_AT = 0x20;
const NODE_COUNTS_AT = 8;
/** Length of the entry `.` at the start of a root. */
const DOT_BYTES = 12;

export interface DirectoryContext {
  readonly inode: Inode;
  readonly superblock: Superblock;
  readonly report: Report;
}

/** Called for an entry in use; false ends the walk. */
type EntryVisitor = (inode: number, entryAt: number, nameBytes: number) => boolean;

/**
 * All entries in use except `.` and `..`. Index blocks of hashed directories look like blocks with
 * no entries in use, which is how they are passed over.
 *
 * @param place for error messages: `block 1234`
 * @throws DiskError `corrupt`
 */
export function parseDirectoryEntries(
  bytes: Uint8Array,
  place: string,
  context: DirectoryContext,
): DirectoryEntry[] {
  const hasType = context.superblock.features.hasIncompat(INCOMPAT.FILETYPE);
  const entries: DirectoryEntry[] = [];
  walkEntries(bytes, place, context, (inode, entryAt, nameBytes) => {
    const nameAt = entryAt + ENTRY_HEADER_BYTES;
    if (isDots(bytes, nameAt, nameBytes)) return true;
    const name = decodeName(bytes.subarray(nameAt, nameAt + nameBytes));
    if (name.includes('/') || name.includes('\0')) {
      throw entryFault(context, entryAt, place, 'has a name that is none');
    }
    const type = hasType ? TYPES[bytes[entryAt + 7]!] : undefined;
    entries.push({ name, inode, type: type ?? 'unknown' });
    return true;
  });
  return entries;
}

/** Inode of the entry with a name, given as its bytes; undefined when the block has none. */
export function findDirectoryEntry(
  bytes: Uint8Array,
  place: string,
  context: DirectoryContext,
  wanted: Uint8Array,
): number | undefined {
  let found: number | undefined;
  walkEntries(bytes, place, context, (inode, entryAt, nameBytes) => {
    if (nameBytes !== wanted.length) return true;
    const nameAt = entryAt + ENTRY_HEADER_BYTES;
    for (let index = 0; index < nameBytes; index++) {
      if (bytes[nameAt + index] !== wanted[index]) return true;
    }
    found = inode;
    return false;
  });
  return found;
}

function walkEntries(
  bytes: Uint8Array,
  place: string,
  context: DirectoryContext,
  visit: EntryVisitor,
): void {
  const { superblock } = context;
  const hasType = superblock.features.hasIncompat(INCOMPAT.FILETYPE);
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < ENTRY_HEADER_BYTES) throw entryFault(context, at, place, 'is cut off');
    const recordBytes = decodeRecordLength(readU16le(bytes, at + 4), superblock.blockBytes);
    if (recordBytes < MIN_ENTRY_BYTES || recordBytes % 4 !== 0 || at + recordBytes > bytes.length) {
      throw entryFault(context, at, place, `claims a length of ${recordBytes} bytes`);
    }
    const inode = readU32le(bytes, at);
    if (inode !== 0) {
      const nameBytes = hasType ? bytes[at + 6]! : readU16le(bytes, at + 6);
      const room = Math.min(MAX_NAME_BYTES, recordBytes - ENTRY_HEADER_BYTES);
      if (nameBytes === 0 || nameBytes > room) {
        throw entryFault(context, at, place, `claims a name of ${nameBytes} bytes`);
      }
      if (inode > superblock.inodeCount) {
        throw entryFault(context, at, place, `names inode ${inode}`);
      }
      if (!visit(inode, at, nameBytes)) return;
    }
    at += recordBytes;
  }
}

function entryFault({ inode, report }: DirectoryContext, at: number, place: string, what: string) {
  return report.corrupt(
    'directory-entry',
    `Directory ${inode.number}: the entry at byte ${at} of ${place} ${what}`,
  );
}

/** Whether a name is `.` or `..`. */
function isDots(bytes: Uint8Array, nameAt: number, nameBytes: number): boolean {
  if (nameBytes > 2 || bytes[nameAt] !== DOT) return false;
  return nameBytes === 1 || bytes[nameAt + 1] === DOT;
}

/** `rec_len` in bytes. Blocks of 64 KiB need a 17th bit; it and the 18th are kept in the low two. */
export function decodeRecordLength(field: number, blockBytes: number): number {
  if (blockBytes < LARGE_BLOCK_BYTES) return field;
  if (field === 0 || field === 0xffff) return blockBytes;
  const low = maskBits(field, 3);
  return field - low + low * 2 ** 16;
}

/** Reports a block whose checksum does not fit: that of a leaf, or of an index block. */
export function verifyDirectoryBlock(
  bytes: Uint8Array,
  block: number,
  { inode, superblock, report }: DirectoryContext,
): void {
  if (superblock.checksumKind !== 'crc32c') return;
  const countsAt = indexCountsAt(bytes, superblock.blockBytes);
  const fits =
    countsAt === undefined
      ? leafChecksumFits(bytes, inode.checksumSeed)
      : indexChecksumFits(bytes, countsAt, inode.checksumSeed);
  if (fits) return;
  report.damage(
    'directory-checksum',
    `The checksum of block ${block} in directory ${inode.number} does not fit`,
  );
}

/**
 * Where the counts of an index block stand; undefined for a leaf. Its entries reach the very end of
 * the block, where a leaf has the fake entry of its checksum.
 */
function indexCountsAt(bytes: Uint8Array, blockBytes: number): number | undefined {
  const firstBytes = decodeRecordLength(readU16le(bytes, 4), blockBytes);
  if (firstBytes === blockBytes) return NODE_COUNTS_AT;
  const secondBytes = decodeRecordLength(readU16le(bytes, DOT_BYTES + 4), blockBytes);
  const isRoot = firstBytes === DOT_BYTES && secondBytes === blockBytes - DOT_BYTES;
  return isRoot ? ROOT_COUNTS_AT : undefined;
}

function leafChecksumFits(bytes: Uint8Array, seed: number): boolean {
  const tail = bytes.length - TAIL_BYTES;
  const isTail =
    readU32le(bytes, tail) === 0 &&
    readU16le(bytes, tail + 4) === TAIL_BYTES &&
    bytes[tail + 6] === 0 &&
    bytes[tail + 7] === TAIL_FILE_TYPE;
  return isTail && crc32cRaw(bytes.subarray(0, tail), seed) === readU32le(bytes, tail + 8);
}

/** An index block's checksum covers what is in use of it, and stands after what could be. */
function indexChecksumFits(bytes: Uint8Array, countsAt: number, seed: number): boolean {
  const limit = readU16le(bytes, countsAt);
  const count = readU16le(bytes, countsAt + 2);
  const tailAt = countsAt + limit * INDEX_ENTRY_BYTES;
  if (count > limit || tailAt + INDEX_ENTRY_BYTES > bytes.length) return false;
  const used = crc32cRaw(bytes.subarray(0, countsAt + count * INDEX_ENTRY_BYTES), seed);
  const reserved = crc32cRaw(bytes.subarray(tailAt, tailAt + 4), used);
  return crc32cU32le(0, reserved) === readU32le(bytes, tailAt + 4);
}
