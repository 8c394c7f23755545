/** What one entry of the fast commit area says ("Fast commits"). Little endian. */
import { decodeName, readU16le, readU32le } from '@diskfile/bytes';
import { EXTENT_INIT_MAX_BLOCKS, GOOD_OLD_INODE_BYTES } from '../structs.ts';

/** `fc_tag`. */
export const FAST_COMMIT_TAG = {
  ADD_RANGE: 1,
  DEL_RANGE: 2,
  CREAT: 3,
  LINK: 4,
  UNLINK: 5,
  INODE: 6,
  PAD: 7,
  TAIL: 8,
  HEAD: 9,
} as const;

/** Blocks of a file were mapped, or mapped differently. */
export interface AddRange {
  readonly kind: 'add-range';
  readonly inode: number;
  readonly fileBlock: number;
  readonly blockCount: number;
  readonly physicalBlock: number;
  readonly unwritten: boolean;
}

/** Blocks of a file became a hole. */
export interface DeleteRange {
  readonly kind: 'delete-range';
  readonly inode: number;
  readonly fileBlock: number;
  readonly blockCount: number;
}

/** A name was put into a directory, or taken out. */
export interface NameOperation {
  readonly kind: 'link' | 'unlink';
  readonly directory: number;
  readonly inode: number;
  readonly name: string;
}

/** The record of an inode as it was then; it may be shorter than those on disk. */
export interface RecordOperation {
  readonly kind: 'inode';
  readonly inode: number;
  readonly record: Uint8Array;
}

export type FastCommitOperation = AddRange | DeleteRange | NameOperation | RecordOperation;

/** The operation of an entry; undefined when it cannot be understood. */
export function parseOperation(tag: number, value: Uint8Array): FastCommitOperation | undefined {
  if (tag === FAST_COMMIT_TAG.ADD_RANGE) return parseAddRange(value);
  if (tag === FAST_COMMIT_TAG.DEL_RANGE) return parseDeleteRange(value);
  if (tag === FAST_COMMIT_TAG.CREAT || tag === FAST_COMMIT_TAG.LINK)
    return parseName('link', value);
  if (tag === FAST_COMMIT_TAG.UNLINK) return parseName('unlink', value);
  return tag === FAST_COMMIT_TAG.INODE ? parseInodeRecord(value) : undefined;
}

/** `ext4_fc_add_range`: fc_ino and an `ext4_extent`. */
function parseAddRange(value: Uint8Array): AddRange | undefined {
  if (value.length < 16) return undefined;
  const length = readU16le(value, 8);
  const unwritten = length > EXTENT_INIT_MAX_BLOCKS;
  return {
    kind: 'add-range',
    inode: readU32le(value, 0),
    fileBlock: readU32le(value, 4),
    blockCount: unwritten ? length - EXTENT_INIT_MAX_BLOCKS : length,
    physicalBlock: readU16le(value, 10) * 2 ** 32 + readU32le(value, 12),
    unwritten,
  };
}

/** `ext4_fc_del_range`: fc_ino, fc_lblk, fc_len. */
function parseDeleteRange(value: Uint8Array): DeleteRange | undefined {
  if (value.length < 12) return undefined;
  return {
    kind: 'delete-range',
    inode: readU32le(value, 0),
    fileBlock: readU32le(value, 4),
    blockCount: readU32le(value, 8),
  };
}

/** `ext4_fc_dentry_info`: fc_parent_ino, fc_ino, fc_dname. */
function parseName(kind: 'link' | 'unlink', value: Uint8Array): NameOperation | undefined {
  if (value.length < 9 || value.length > 8 + 255) return undefined;
  const name = decodeName(value.subarray(8));
  if (name.includes('/') || name.includes('\0')) return undefined;
  return { kind, directory: readU32le(value, 0), inode: readU32le(value, 4), name };
}

/** `ext4_fc_inode`: fc_ino, fc_raw_inode. */
function parseInodeRecord(value: Uint8Array): RecordOperation | undefined {
  if (value.length < 4 + GOOD_OLD_INODE_BYTES) return undefined;
  return { kind: 'inode', inode: readU32le(value, 0), record: value.slice(4) };
}
