/** What `stat(2)` says of an inode. */
import { bitField, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { FileStats, Timestamp } from '@diskfile/core';
import { RO_COMPAT } from '../features.ts';
import { flagNames, hasFlag, INODE_FLAG } from './inode-flags.ts';
import { readInodeTime } from './inode-time.ts';
import type { Inode } from './inode.ts';
import { ext4_inode } from '../structs.ts';
import type { Superblock } from '../superblock.ts';

/**
 * As the kernel does, file data that is held in the inode counts as allocated in whole sectors: a
 * file with content should not look like one large hole.
 */
export function statsOf(inode: Inode, superblock: Superblock): FileStats {
  const { record, type, sizeBytes } = inode;
  const inline = type === 'file' && hasFlag(inode.flags, INODE_FLAG.INLINE_DATA);
  const inlineBytes = inline ? Math.ceil(sizeBytes / 512) * 512 : 0;
  return {
    inode: inode.number,
    type,
    permissions: inode.permissions,
    uid: readHalves(record, ext4_inode.i_uid, ext4_inode.l_i_uid_high),
    gid: readHalves(record, ext4_inode.i_gid, ext4_inode.l_i_gid_high),
    linkCount: readU16le(record, ext4_inode.i_links_count),
    sizeBytes,
    allocatedBytes: inode.allocatedBytes + inlineBytes,
    accessTime: time(inode, ext4_inode.i_atime, ext4_inode.i_atime_extra),
    modifyTime: time(inode, ext4_inode.i_mtime, ext4_inode.i_mtime_extra),
    changeTime: time(inode, ext4_inode.i_ctime, ext4_inode.i_ctime_extra),
    birthTime: hasField(inode, ext4_inode.i_crtime)
      ? time(inode, ext4_inode.i_crtime, ext4_inode.i_crtime_extra)
      : undefined,
    device: deviceNumbers(inode),
    projectId: projectId(inode, superblock),
    flags: flagNames(inode.flags),
  };
}

/** Whether a 32-bit field after the first 128 bytes is part of the record. */
function hasField({ fieldsEnd }: Inode, field: number): boolean {
  return field + 4 <= fieldsEnd;
}

function time(inode: Inode, seconds: number, extra: number): Timestamp {
  return readInodeTime(inode.record, seconds, hasField(inode, extra) ? extra : undefined);
}

function projectId(inode: Inode, { features }: Superblock): number | undefined {
  const kept = features.hasRoCompat(RO_COMPAT.PROJECT) && hasField(inode, ext4_inode.i_projid);
  return kept ? readU32le(inode.record, ext4_inode.i_projid) : undefined;
}

function readHalves(record: Uint8Array, low: number, high: number): number {
  return readU16le(record, low) + readU16le(record, high) * 2 ** 16;
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
