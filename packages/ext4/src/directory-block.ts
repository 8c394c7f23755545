/** The entries in one block of a directory ("Directory Entries"). */
import { crc32cRaw, decodeName, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { DirectoryEntry, FileType } from '@diskfile/core';
import { crc32cU32le } from './checksum.ts';
import { INCOMPAT } from './features.ts';
import type { Inode } from './inode.ts';
import type { Report } from './report.ts';
import type { Superblock } from './superblock.ts';

/** Bytes of an entry before its name. */
const ENTRY_HEADER_BYTES = 8;
const MIN_ENTRY_BYTES = 12;
const LARGE_BLOCK_BYTES = 65536;

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
  { inode, superblock, report }: DirectoryContext,
): DirectoryEntry[] {
  const hasType = superblock.features.hasIncompat(INCOMPAT.FILETYPE);
  const entries: DirectoryEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const fault = (what: string) =>
      report.corrupt(
        'directory-entry',
        `Directory ${inode.number}: the entry at byte ${at} of ${place} ${what}`,
      );
    if (bytes.length - at < ENTRY_HEADER_BYTES) throw fault('is cut off');
    const recordBytes = decodeRecordLength(readU16le(bytes, at + 4), superblock.blockBytes);
    if (recordBytes < MIN_ENTRY_BYTES || recordBytes % 4 !== 0 || at + recordBytes > bytes.length) {
      throw fault(`claims a length of ${recordBytes} bytes`);
    }
    const number = readU32le(bytes, at);
    if (number !== 0) {
      const nameBytes = hasType ? bytes[at + 6]! : readU16le(bytes, at + 6);
      if (nameBytes === 0 || ENTRY_HEADER_BYTES + nameBytes > recordBytes) {
        throw fault(`claims a name of ${nameBytes} bytes`);
      }
      if (number > superblock.inodeCount) throw fault(`names inode ${number}`);
      const nameAt = at + ENTRY_HEADER_BYTES;
      const name = decodeName(bytes.subarray(nameAt, nameAt + nameBytes));
      if (name.includes('/') || name.includes('\0')) throw fault('has a name that is none');
      const type = hasType ? (TYPES[maskBits(bytes[at + 7]!, 0xf)] ?? 'unknown') : 'unknown';
      if (name !== '.' && name !== '..') entries.push({ name, inode: number, type });
    }
    at += recordBytes;
  }
  return entries;
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
    { offset: block * superblock.blockBytes },
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
