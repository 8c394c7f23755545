/** One inode record, decoded ("Index Nodes"). */
import { bitField, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { FileStats, FileType, Timestamp } from '@diskfile/core';
import { inodeChecksum, inodeSeed } from './checksum.ts';
import { INCOMPAT, RO_COMPAT } from './features.ts';
import { flagNames, hasFlag, INODE_FLAG } from './inode-flags.ts';
import { readInodeTime } from './inode-time.ts';
import type { Report } from './report.ts';
import type { Superblock } from './superblock.ts';
import { ext4_inode, GOOD_OLD_INODE_BYTES, I_BLOCK_BYTES } from './structs.ts';

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
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly sizeBytes: number;
  /** Bytes by the inode's block count: data, its own tables, attribute block. */
  readonly allocatedBytes: number;
  readonly flags: number;
  readonly accessTime: Timestamp;
  readonly modifyTime: Timestamp;
  readonly changeTime: Timestamp;
  readonly birthTime: Timestamp | undefined;
  readonly projectId: number | undefined;
  /** Seed for the checksums of what belongs to this inode. */
  readonly checksumSeed: number;
  /** `i_block`, whatever it holds. */
  readonly blockField: Uint8Array;
  /** Block of extended attributes, 0 for none. */
  readonly attributeBlock: number;
  /** The whole record, a copy. */
  readonly record: Uint8Array;
  /** Where attributes within the record begin; the record's length when there is no room for any. */
  readonly attributesAt: number;
}

export interface ParseInodeOptions {
  /** False for records that were put together from a fast commit. */
  readonly verifyChecksum: boolean;
}

/** @param source the record, of `inodeBytes`; it is copied */
export function parseInode(
  source: Uint8Array,
  number: number,
  superblock: Superblock,
  report: Report,
  { verifyChecksum }: ParseInodeOptions,
): Inode {
  const record = source.slice();
  const extraBytes = parseExtraBytes(record, number, report);
  const has = (field: number) => field + 4 <= GOOD_OLD_INODE_BYTES + extraBytes;
  const generation = readU32le(record, ext4_inode.i_generation);
  const checksumSeed = inodeSeed(superblock.checksumSeed, number, generation);
  if (verifyChecksum && superblock.checksumKind === 'crc32c') {
    verifyRecord(record, number, checksumSeed, extraBytes >= 4, report);
  }
  const mode = readU16le(record, ext4_inode.i_mode);
  const type = TYPES[Math.floor(mode / 0x1000)] ?? 'unknown';
  const flags = readU32le(record, ext4_inode.i_flags);
  const extra = (field: number) => (has(field) ? field : undefined);
  return {
    number,
    type,
    permissions: maskBits(mode, 0xfff),
    uid: readHalves(record, ext4_inode.i_uid, ext4_inode.l_i_uid_high),
    gid: readHalves(record, ext4_inode.i_gid, ext4_inode.l_i_gid_high),
    linkCount: readU16le(record, ext4_inode.i_links_count),
    sizeBytes: readSize(record, number, type, superblock, report),
    allocatedBytes: readAllocatedBytes(record, flags, superblock),
    flags,
    accessTime: readInodeTime(record, ext4_inode.i_atime, extra(ext4_inode.i_atime_extra)),
    modifyTime: readInodeTime(record, ext4_inode.i_mtime, extra(ext4_inode.i_mtime_extra)),
    changeTime: readInodeTime(record, ext4_inode.i_ctime, extra(ext4_inode.i_ctime_extra)),
    birthTime: has(ext4_inode.i_crtime)
      ? readInodeTime(record, ext4_inode.i_crtime, extra(ext4_inode.i_crtime_extra))
      : undefined,
    projectId:
      superblock.features.hasRoCompat(RO_COMPAT.PROJECT) && has(ext4_inode.i_projid)
        ? readU32le(record, ext4_inode.i_projid)
        : undefined,
    checksumSeed,
    blockField: record.subarray(ext4_inode.i_block, ext4_inode.i_block + I_BLOCK_BYTES),
    attributeBlock: readAttributeBlock(record, superblock),
    record,
    attributesAt: Math.min(record.length, GOOD_OLD_INODE_BYTES + extraBytes),
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
  withHigh: boolean,
  report: Report,
): void {
  const sum = inodeChecksum(record, seed, withHigh);
  const low = readU16le(record, ext4_inode.l_i_checksum_lo);
  const high = withHigh ? readU16le(record, ext4_inode.i_checksum_hi) : bitField(sum, 16, 16);
  if (low + high * 2 ** 16 === sum) return;
  report.damage('inode-checksum', `The checksum of inode ${number} does not fit`);
}

function readHalves(record: Uint8Array, low: number, high: number): number {
  return readU16le(record, low) + readU16le(record, high) * 2 ** 16;
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

/**
 * What `stat(2)` says. As the kernel does, file data that is held in the inode counts as allocated
 * in whole sectors: a file with content should not look like one large hole.
 */
export function statsOf(inode: Inode): FileStats {
  const { number, type, permissions, uid, gid, linkCount, sizeBytes, projectId } = inode;
  const inline = type === 'file' && hasFlag(inode.flags, INODE_FLAG.INLINE_DATA);
  const inlineBytes = inline ? Math.ceil(sizeBytes / 512) * 512 : 0;
  return {
    inode: number,
    type,
    permissions,
    uid,
    gid,
    linkCount,
    sizeBytes,
    allocatedBytes: inode.allocatedBytes + inlineBytes,
    accessTime: inode.accessTime,
    modifyTime: inode.modifyTime,
    changeTime: inode.changeTime,
    birthTime: inode.birthTime,
    device: deviceNumbers(inode),
    projectId,
    flags: flagNames(inode.flags),
  };
}

/** Numbers below 256 in the first word of `i_block`, larger ones in the second, bits interleaved. */
function deviceNumbers({ type, blockField }: Inode): FileStats['device'] {
  if (type !== 'character-device' && type !== 'block-device') return undefined;
  const old = readU32le(blockField, 0);
  if (old !== 0) return { major: bitField(old, 8, 8), minor: maskBits(old, 0xff) };
  const device = readU32le(blockField, 4);
  return {
    major: bitField(device, 8, 12),
    minor: maskBits(device, 0xff) + bitField(device, 20, 12) * 256,
  };
}
