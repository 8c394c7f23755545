/** One inode record, decoded as far as reading the file needs it ("Index Nodes"). */
import { bitField, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { FileType } from '@diskfile/core';
import { inodeChecksum, inodeSeed } from '../checksum.ts';
import { INCOMPAT, RO_COMPAT } from '../features.ts';
import { hasFlag, INODE_FLAG } from './inode-flags.ts';
import type { Report } from '../report.ts';
import { ext4_inode, GOOD_OLD_INODE_BYTES, I_BLOCK_BYTES } from '../structs.ts';
import type { Superblock } from '../superblock.ts';

const TYPES: Readonly<Record<number, FileType>> = {
  0x1: 'fifo',
  0x2: 'character-device',
  0x4: 'directory',
  0x6: 'block-device',
  0x8: 'file',
  0xa: 'symlink',
  0xc: 'socket',
};

export interface Inode {
  readonly number: number;
  readonly type: FileType;
  readonly permissions: number;
  readonly sizeBytes: number;
  /** Bytes by the inode's block count: data, its own tables, attribute block. */
  readonly allocatedBytes: number;
  readonly flags: number;
  /** Seed for the checksums of what belongs to this inode. */
  readonly checksumSeed: number;
  /** `i_block`, whatever it holds. */
  readonly blockField: Uint8Array;
  /** Block of extended attributes, 0 for none. */
  readonly attributeBlock: number;
  /** The whole record, not to be written into. */
  readonly record: Uint8Array;
  /** Fields of the record end here and attributes in it begin; at its end there is no room for any. */
  readonly fieldsEnd: number;
}

export interface ParseInodeOptions {
  /** False for records that were put together from a fast commit. */
  readonly verifyChecksum: boolean;
}

/** @param record the bytes of the inode, `inodeBytes` of them; the inode refers to them */
export function parseInode(
  record: Uint8Array,
  number: number,
  superblock: Superblock,
  report: Report,
  { verifyChecksum }: ParseInodeOptions,
): Inode {
  const fieldsEnd = GOOD_OLD_INODE_BYTES + parseExtraBytes(record, number, report);
  const generation = readU32le(record, ext4_inode.i_generation);
  const checksumSeed = inodeSeed(superblock.checksumSeed, number, generation);
  if (verifyChecksum && superblock.checksumKind === 'crc32c') {
    verifyRecord(record, number, checksumSeed, fieldsEnd, report);
  }
  const mode = readU16le(record, ext4_inode.i_mode);
  const type = TYPES[Math.floor(mode / 0x1000)] ?? 'unknown';
  const flags = readU32le(record, ext4_inode.i_flags);
  return {
    number,
    type,
    permissions: maskBits(mode, 0xfff),
    sizeBytes: readSize(record, number, type, superblock, report),
    allocatedBytes: readAllocatedBytes(record, flags, superblock),
    flags,
    checksumSeed,
    blockField: record.subarray(ext4_inode.i_block, ext4_inode.i_block + I_BLOCK_BYTES),
    attributeBlock: readAttributeBlock(record, superblock),
    record,
    fieldsEnd,
  };
}

/** `i_extra_isize`: bytes of fields after the first 128. Zero in records that have none. */
function parseExtraBytes(record: Uint8Array, number: number, report: Report): number {
  if (record.length === GOOD_OLD_INODE_BYTES) return 0;
  const extraBytes = readU16le(record, ext4_inode.i_extra_isize);
  if (extraBytes <= record.length - GOOD_OLD_INODE_BYTES && extraBytes % 4 === 0) return extraBytes;
  throw report.corrupt(
    'inode-extra-size',
    `Inode ${number} claims ${extraBytes} bytes of extra fields in a record of ${record.length}`,
  );
}

function verifyRecord(
  record: Uint8Array,
  number: number,
  seed: number,
  fieldsEnd: number,
  report: Report,
): void {
  const withHigh = fieldsEnd >= ext4_inode.i_checksum_hi + 2;
  const sum = inodeChecksum(record, seed, withHigh);
  const low = readU16le(record, ext4_inode.l_i_checksum_lo);
  const high = withHigh ? readU16le(record, ext4_inode.i_checksum_hi) : bitField(sum, 16, 16);
  if (low + high * 2 ** 16 === sum) return;
  report.damage('inode-checksum', `The checksum of inode ${number} does not fit`);
}

/** Only regular files, and directories with `large_dir`, have the upper half of the size. */
function readSize(
  record: Uint8Array,
  number: number,
  type: FileType,
  superblock: Superblock,
  report: Report,
): number {
  const low = readU32le(record, ext4_inode.i_size_lo);
  const largeDirectory = type === 'directory' && superblock.features.hasIncompat(INCOMPAT.LARGEDIR);
  if (type !== 'file' && !largeDirectory) return low;
  const size = readU32le(record, ext4_inode.i_size_high) * 2 ** 32 + low;
  if (Number.isSafeInteger(size)) return size;
  throw report.corrupt('inode-size', `Inode ${number} claims a size of ${size} bytes`);
}

function readAllocatedBytes(record: Uint8Array, flags: number, superblock: Superblock): number {
  const low = readU32le(record, ext4_inode.i_blocks_lo);
  if (!superblock.features.hasRoCompat(RO_COMPAT.HUGE_FILE)) return low * 512;
  const high = superblock.createdByHurd ? 0 : readU16le(record, ext4_inode.l_i_blocks_high);
  const unitBytes = hasFlag(flags, INODE_FLAG.HUGE_FILE) ? superblock.blockBytes : 512;
  return (high * 2 ** 32 + low) * unitBytes;
}

function readAttributeBlock(record: Uint8Array, superblock: Superblock): number {
  const low = readU32le(record, ext4_inode.i_file_acl_lo);
  if (!superblock.features.hasIncompat(INCOMPAT.BIT64) || superblock.createdByHurd) return low;
  return readU16le(record, ext4_inode.l_i_file_acl_high) * 2 ** 32 + low;
}
