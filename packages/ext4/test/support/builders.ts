/** Small pieces of a filesystem, made in memory, for tests of single parts. */
import { writeU16le, writeU32le } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { BlockReader } from '../../src/blocks/block-reader.ts';
import { type Inode, parseInode } from '../../src/inodes/inode.ts';
import { JournalOverlay } from '../../src/journal/overlay.ts';
import { Report } from '../../src/report.ts';
import { ext4_inode, EXTENT_MAGIC } from '../../src/structs.ts';
import { parseSuperblock, type Superblock } from '../../src/superblock.ts';
import { ext4_super_block } from '../../src/structs.ts';

export const BLOCK_BYTES = 1024;

export function report(strict = false): Report {
  return new Report('test', strict);
}

type SuperblockFields = ReturnType<typeof ext4_super_block.decode>;

/** The bytes of a plain superblock with some fields changed. */
export function superblockBytes(changes: Partial<SuperblockFields> = {}): Uint8Array {
  const bytes = new Uint8Array(1024);
  const fields: SuperblockFields = {
    ...ext4_super_block.decode(bytes),
    s_inodes_count: 128,
    s_blocks_count_lo: 8192,
    s_first_data_block: 1,
    s_blocks_per_group: 8192,
    s_clusters_per_group: 8192,
    s_inodes_per_group: 128,
    s_magic: 0xef53,
    s_rev_level: 1,
    s_inode_size: 256,
    // filetype and extents
    s_feature_incompat: 0x42,
    ...changes,
  };
  ext4_super_block.encode(fields, bytes);
  return bytes;
}

export function superblock(changes: Partial<SuperblockFields> = {}): Superblock {
  return parseSuperblock(superblockBytes(changes), report());
}

/** A reader over blocks in memory. */
export function blockReader(blocks: Uint8Array, overlay = JournalOverlay.empty): BlockReader {
  const shape = { blockBytes: BLOCK_BYTES, blockCount: blocks.length / BLOCK_BYTES };
  return new BlockReader(new MemoryStorage(blocks), shape, overlay, report(), 1 << 20);
}

export function blockOf(blocks: Uint8Array, block: number): Uint8Array {
  return blocks.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
}

/** A regular file's inode with a given `i_block`. */
export function fileInode(blockField: Uint8Array, sizeBytes: number, flags = 0): Inode {
  const record = new Uint8Array(256);
  writeU16le(record, ext4_inode.i_mode, 0o100644);
  writeU16le(record, ext4_inode.i_links_count, 1);
  writeU32le(record, ext4_inode.i_size_lo, sizeBytes % 2 ** 32);
  writeU32le(record, ext4_inode.i_size_high, Math.floor(sizeBytes / 2 ** 32));
  writeU32le(record, ext4_inode.i_flags, flags);
  record.set(blockField, ext4_inode.i_block);
  return parseInode(record, 12, superblock(), report(), { verifyChecksum: false });
}

export interface ExtentSpec {
  readonly fileBlock: number;
  readonly length: number;
  readonly physical: number;
  readonly unwritten?: boolean;
}

/** Writes an extent node of leaf entries into `bytes`. */
export function writeLeaf(bytes: Uint8Array, extents: readonly ExtentSpec[]): void {
  writeHeader(bytes, extents.length, 0);
  extents.forEach(({ fileBlock, length, physical, unwritten }, index) => {
    const at = 12 + index * 12;
    writeU32le(bytes, at, fileBlock);
    writeU16le(bytes, at + 4, unwritten === true ? length + 32768 : length);
    writeU16le(bytes, at + 6, Math.floor(physical / 2 ** 32));
    writeU32le(bytes, at + 8, physical % 2 ** 32);
  });
}

/** Writes an extent node of index entries into `bytes`. */
export function writeIndex(
  bytes: Uint8Array,
  depth: number,
  children: readonly { readonly fileBlock: number; readonly block: number }[],
): void {
  writeHeader(bytes, children.length, depth);
  children.forEach(({ fileBlock, block }, index) => {
    const at = 12 + index * 12;
    writeU32le(bytes, at, fileBlock);
    writeU32le(bytes, at + 4, block % 2 ** 32);
    writeU16le(bytes, at + 8, Math.floor(block / 2 ** 32));
  });
}

function writeHeader(bytes: Uint8Array, count: number, depth: number): void {
  writeU16le(bytes, 0, EXTENT_MAGIC);
  writeU16le(bytes, 2, count);
  writeU16le(bytes, 4, Math.floor((bytes.length - 12) / 12));
  writeU16le(bytes, 6, depth);
}
