/**
 * Where things are in an ext2/3/4 image, as far as describing seeds and mending checksums needs it.
 * Offsets are those of the Linux kernel's documentation of ext4. The image may be a mutant, so
 * nothing in it is believed without a bound.
 */
import { readU16le, readU32le } from '@diskfile/bytes';

export const SUPERBLOCK = 1024;
const MAGIC = 0xef53;
const MAX_GROUPS = 64;
const MAX_INODES_PER_GROUP = 1024;

const INCOMPAT_64BIT = 0x80;
const INCOMPAT_CSUM_SEED = 0x2000;
const RO_COMPAT_GDT_CSUM = 0x10;
const RO_COMPAT_METADATA_CSUM = 0x400;

export interface Ext4Layout {
  readonly blockBytes: number;
  readonly groupCount: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly checksum: 'none' | 'crc16' | 'crc32c';
  /** Offset of `s_checksum_seed`, where the seed is not made from the UUID. */
  readonly storesChecksumSeed: boolean;
  readonly uuid: Uint8Array;
}

/** Undefined when the superblock makes no sense. */
export function ext4Layout(bytes: Uint8Array): Ext4Layout | undefined {
  if (bytes.length < 2 * SUPERBLOCK) return undefined;
  const field = (at: number) => readU32le(bytes, SUPERBLOCK + at);
  const logBlockSize = field(0x18);
  if (readU16le(bytes, SUPERBLOCK + 0x38) !== MAGIC || logBlockSize > 6) return undefined;
  const blocksPerGroup = field(0x20);
  const groupCount = Math.ceil((field(0x4) - field(0x14)) / blocksPerGroup);
  const roCompat = field(0x64);
  const has = (flags: number, bit: number) => (flags & bit) !== 0;
  return {
    blockBytes: 1024 * 2 ** logBlockSize,
    groupCount: groupCount > 0 && groupCount < MAX_GROUPS ? groupCount : 1,
    inodesPerGroup: Math.min(field(0x28), MAX_INODES_PER_GROUP),
    inodeBytes: Math.min(Math.max(readU16le(bytes, SUPERBLOCK + 0x58), 128), 4096),
    descriptorBytes: has(field(0x60), INCOMPAT_64BIT) ? 64 : 32,
    checksum: has(roCompat, RO_COMPAT_METADATA_CSUM)
      ? 'crc32c'
      : has(roCompat, RO_COMPAT_GDT_CSUM)
        ? 'crc16'
        : 'none',
    storesChecksumSeed: has(field(0x60), INCOMPAT_CSUM_SEED),
    uuid: bytes.subarray(SUPERBLOCK + 0x68, SUPERBLOCK + 0x78),
  };
}

/** Offset of a group's descriptor; in seeds all lie in one piece behind the superblock. */
export function descriptorOffset(
  { blockBytes, descriptorBytes }: Ext4Layout,
  group: number,
): number {
  const superblockBlock = blockBytes === 1024 ? 1 : 0;
  return (superblockBlock + 1) * blockBytes + group * descriptorBytes;
}

/** Offset of a group's inode table, if it is in the image. */
export function inodeTableOffset(
  bytes: Uint8Array,
  layout: Ext4Layout,
  group: number,
): number | undefined {
  const descriptor = descriptorOffset(layout, group);
  if (descriptor + layout.descriptorBytes > bytes.length) return undefined;
  const offset = readU32le(bytes, descriptor + 8) * layout.blockBytes;
  return offset > 0 && offset < bytes.length ? offset : undefined;
}
