/** ext2, ext3 and ext4 images, small, each with many features. */
import { readU16le, readU32be, readU32le, writeU32le } from '@diskfile/bytes';
import { headerFields, type Region, type SeedImage } from '../seed-image.ts';
import { repairExt4Checksums } from './ext4-checksums.ts';
import {
  descriptorOffset,
  type Ext4Layout,
  ext4Layout,
  inodeTableOffset,
  SUPERBLOCK,
} from './ext4-layout.ts';
import { type NamedBytes, packedSeeds } from './image-folder.ts';
import { JOURNAL_MAGIC } from './journal-checksums.ts';

const SUPERBLOCK_FIELDS = [
  ['s_inodes_count', 0x0, 4],
  ['s_blocks_count_lo', 0x4, 4],
  ['s_first_data_block', 0x14, 4],
  ['s_log_block_size', 0x18, 4],
  ['s_log_cluster_size', 0x1c, 4],
  ['s_blocks_per_group', 0x20, 4],
  ['s_clusters_per_group', 0x24, 4],
  ['s_inodes_per_group', 0x28, 4],
  ['s_magic', 0x38, 2],
  ['s_state', 0x3a, 2],
  ['s_rev_level', 0x4c, 4],
  ['s_first_ino', 0x54, 4],
  ['s_inode_size', 0x58, 2],
  ['s_feature_compat', 0x5c, 4],
  ['s_feature_incompat', 0x60, 4],
  ['s_feature_ro_compat', 0x64, 4],
  ['s_reserved_gdt_blocks', 0xce, 2],
  ['s_journal_inum', 0xe0, 4],
  ['s_last_orphan', 0xe8, 4],
  ['s_def_hash_version', 0xfc, 1],
  ['s_desc_size', 0xfe, 2],
  ['s_first_meta_bg', 0x104, 4],
  ['s_jnl_blocks', 0x10c, 4],
  ['s_blocks_count_hi', 0x150, 4],
  ['s_min_extra_isize', 0x15c, 2],
  ['s_log_groups_per_flex', 0x174, 1],
  ['s_checksum_type', 0x175, 1],
  ['s_encoding', 0x27c, 2],
  ['s_orphan_file_inum', 0x280, 4],
] as const;

const MAX_INODE_REGIONS = 64;
const FSTAB_START = new TextEncoder().encode('UUID=');

export function ext4Seeds(): SeedImage[] {
  const images = packedSeeds('ext4');
  const ext2 = images.find(({ name }) => name === 'ext2')!;
  return [...images, withSharedBlocks(ext2)].map(describeExt4);
}

function describeExt4({ name, bytes }: NamedBytes): SeedImage {
  const layout = ext4Layout(bytes)!;
  const descriptors = descriptorOffset(layout, 0);
  const descriptorBytes = layout.groupCount * layout.descriptorBytes;
  return {
    name,
    bytes,
    unitBytes: layout.blockBytes,
    fields: headerFields(SUPERBLOCK, false, SUPERBLOCK_FIELDS),
    regions: [
      region('descriptors', descriptors, descriptorBytes, 4),
      ...inodeRegions(bytes, layout),
      ...blockRegions(bytes, layout),
    ],
    repair: repairExt4Checksums,
  };
}

function region(
  name: string,
  offset: number,
  lengthBytes: number,
  widthBytes: Region['widthBytes'],
): Region {
  return { name, offset, lengthBytes, widthBytes, bigEndian: false };
}

/**
 * The largest file has four gigabytes, and all its blocks, indirect ones included, are the same: what
 * an image can claim is far more than it holds.
 */
function withSharedBlocks({ bytes }: NamedBytes): NamedBytes {
  const copy = bytes.slice();
  const layout = ext4Layout(copy)!;
  const table = inodeTableOffset(copy, layout, 0)!;
  const offsets = Array.from({ length: layout.inodesPerGroup }, (_, index) => index)
    .map((index) => table + index * layout.inodeBytes)
    .filter((offset) => (readU16le(copy, offset) & 0xf000) === 0x8000);
  const largest = Math.max(...offsets.map((offset) => readU32le(copy, offset + 4)));
  const inode = offsets.find((offset) => readU32le(copy, offset + 4) === largest)!;
  const shared = copy.length / layout.blockBytes - 1;
  writeU32le(copy, inode + 4, 0xffff_ffff);
  for (let at = 0; at < 60; at += 4) writeU32le(copy, inode + 0x28 + at, shared);
  for (let at = 0; at < layout.blockBytes; at += 4) {
    writeU32le(copy, shared * layout.blockBytes + at, shared);
  }
  return { name: 'shared-blocks', bytes: copy };
}

/** Inodes in use, once as a row of 16-bit and once of 32-bit fields. */
function inodeRegions(bytes: Uint8Array, layout: Ext4Layout): Region[] {
  const regions: Region[] = [];
  for (let group = 0; group < layout.groupCount; group++) {
    const table = inodeTableOffset(bytes, layout, group);
    if (table === undefined) continue;
    for (let index = 0; index < layout.inodesPerGroup; index++) {
      const offset = table + index * layout.inodeBytes;
      if (readU16le(bytes, offset) === 0 || regions.length >= MAX_INODE_REGIONS) continue;
      const name = `inode ${group * layout.inodesPerGroup + index + 1}`;
      regions.push(region(name, offset, 128, 2), region(name, offset, layout.inodeBytes, 4));
    }
  }
  return regions;
}

/** Blocks that show by their first bytes what they are. */
function blockRegions(bytes: Uint8Array, { blockBytes }: Ext4Layout): Region[] {
  const regions: Region[] = [];
  for (let at = 0; at + blockBytes <= bytes.length; at += blockBytes) {
    if (readU16le(bytes, at) === 0xf30a) regions.push(region('extents', at, blockBytes, 2));
    if (readU32le(bytes, at) === 0xea02_0000) regions.push(region('attributes', at, blockBytes, 2));
    if (readU16le(bytes, at) === 9) regions.push(region('fast commit', at, blockBytes, 2));
    if (readU32be(bytes, at) === JOURNAL_MAGIC) {
      regions.push({ ...region('journal', at, blockBytes, 4), bigEndian: true });
    }
    if (bytes.subarray(at, at + 5).every((byte, index) => byte === FSTAB_START[index])) {
      regions.push(region('fstab', at, 256, 1));
    }
    // A node of a hash tree looks like one empty entry as long as the block.
    if (readU32le(bytes, at) === 0 && readU32le(bytes, at + 4) === blockBytes) {
      regions.push(region('hash tree', at, blockBytes, 2));
    }
    // The first entry of a directory is ".", twelve bytes long.
    if (readU32le(bytes, at + 4) % 2 ** 24 === 0x01_000c && bytes[at + 8] === 0x2e) {
      regions.push(region('directory', at, blockBytes, 2));
    }
  }
  return regions;
}
