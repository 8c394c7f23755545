/** Makes the checksums of an ext4 image right again after its fields were changed. */
import { crc16Raw, crc32cRaw, readU16le, readU32le, writeU16le, writeU32le } from '@diskfile/bytes';
import {
  descriptorOffset,
  type Ext4Layout,
  ext4Layout,
  inodeTableOffset,
  SUPERBLOCK,
} from './ext4-layout.ts';
import { repairJournalChecksums } from './journal-checksums.ts';

const JOURNAL_INODE = 8;
const ALL_ONES = 0xffff_ffff;
const INDEX_FLAG = 0x1000;
const EXTENTS_FLAG = 0x8_0000;
const EXTENT_MAGIC = 0xf30a;
/** Type of the last entry, twelve bytes long, of a directory block that has a checksum. */
const DIRECTORY_TAIL_TYPE = 0xde;

/** The inode that blocks belong to. */
interface Owner {
  /** What the checksums of its blocks start from. */
  readonly seed: number;
  readonly isDirectory: boolean;
  /** Whether it is a directory with a hash tree. */
  readonly hasIndex: boolean;
  /** How deep in its extent tree we are. */
  readonly level: number;
}

export function repairExt4Checksums(bytes: Uint8Array): void {
  const layout = ext4Layout(bytes);
  if (layout === undefined) return;
  repairJournalChecksums(journalBlocks(bytes, layout));
  if (layout.checksum === 'none') return;
  const seed = layout.storesChecksumSeed
    ? readU32le(bytes, SUPERBLOCK + 0x270)
    : crc32cRaw(layout.uuid, ALL_ONES);
  for (let group = 0; group < layout.groupCount; group++) {
    if (layout.checksum === 'crc32c') repairInodes(bytes, layout, group, seed);
    repairDescriptor(bytes, layout, group, seed);
  }
  if (layout.checksum !== 'crc32c') return;
  const superblock = bytes.subarray(SUPERBLOCK, SUPERBLOCK + 1020);
  writeU32le(bytes, SUPERBLOCK + 1020, crc32cRaw(superblock, ALL_ONES));
}

/** The blocks of the journal's inode, where it has extents and no tree of them. */
export function journalBlocks(bytes: Uint8Array, layout: Ext4Layout): Uint8Array[] {
  const table = inodeTableOffset(bytes, layout, 0);
  if (table === undefined) return [];
  const { blockBytes, inodeBytes } = layout;
  const node = bytes.subarray(table + (JOURNAL_INODE - 1) * inodeBytes + 0x28).subarray(0, 60);
  if (node.length < 60 || readU16le(node, 0) !== EXTENT_MAGIC || readU16le(node, 6) !== 0)
    return [];
  const blocks: Uint8Array[] = [];
  for (let index = 0; index < Math.min(readU16le(node, 2), 4); index++) {
    const at = 12 + 12 * index;
    for (let block = 0; block < readU16le(node, at + 4); block++) {
      const offset = (readU32le(node, at + 8) + block) * blockBytes;
      if (offset + blockBytes > bytes.length) return blocks;
      blocks.push(bytes.subarray(offset, offset + blockBytes));
    }
  }
  return blocks;
}

function repairDescriptor(
  bytes: Uint8Array,
  layout: Ext4Layout,
  group: number,
  seed: number,
): void {
  const offset = descriptorOffset(layout, group);
  if (offset + layout.descriptorBytes > bytes.length) return;
  const descriptor = bytes.subarray(offset, offset + layout.descriptorBytes);
  writeU16le(descriptor, 0x1e, 0);
  if (layout.checksum === 'crc32c') {
    writeU16le(descriptor, 0x1e, crc32cRaw(descriptor, crc32cRaw(le32(group), seed)) & 0xffff);
    return;
  }
  const prefix = crc16Raw(le32(group), crc16Raw(layout.uuid, 0xffff));
  const head = crc16Raw(descriptor.subarray(0, 0x1e), prefix);
  writeU16le(descriptor, 0x1e, crc16Raw(descriptor.subarray(0x20), head));
}

function repairInodes(bytes: Uint8Array, layout: Ext4Layout, group: number, seed: number): void {
  const table = inodeTableOffset(bytes, layout, group);
  if (table === undefined) return;
  const { inodeBytes, inodesPerGroup } = layout;
  for (let index = 0; index < inodesPerGroup; index++) {
    const offset = table + index * inodeBytes;
    if (offset + inodeBytes > bytes.length) return;
    const inode = bytes.subarray(offset, offset + inodeBytes);
    if (readU16le(inode, 0) === 0) continue;
    const number = group * inodesPerGroup + index + 1;
    const own = crc32cRaw(inode.subarray(0x64, 0x68), crc32cRaw(le32(number), seed));
    const flags = readU32le(inode, 0x20);
    if ((flags & EXTENTS_FLAG) !== 0) {
      const isDirectory = (readU16le(inode, 0) & 0xf000) === 0x4000;
      const hasIndex = (flags & INDEX_FLAG) !== 0;
      const owner = { seed: own, isDirectory, hasIndex, level: 0 };
      repairExtents(bytes, layout, inode.subarray(0x28, 0x64), owner);
    }
    repairInode(inode, own);
  }
}

function repairInode(inode: Uint8Array, own: number): void {
  const hasHigh = inode.length > 128 && readU16le(inode, 0x80) >= 4;
  writeU16le(inode, 0x7c, 0);
  if (hasHigh) writeU16le(inode, 0x82, 0);
  const sum = crc32cRaw(inode, own);
  writeU16le(inode, 0x7c, sum & 0xffff);
  if (hasHigh) writeU16le(inode, 0x82, sum >>> 16);
}

/** Mends the blocks that a node of an extent tree leads to: further nodes, directory blocks. */
function repairExtents(
  bytes: Uint8Array,
  layout: Ext4Layout,
  node: Uint8Array,
  owner: Owner,
): void {
  if (readU16le(node, 0) !== EXTENT_MAGIC || owner.level > 2) return;
  const depth = readU16le(node, 6);
  const entries = Math.min(readU16le(node, 2), Math.floor((node.length - 12) / 12), 64);
  for (let index = 0; index < entries; index++) {
    const at = 12 + 12 * index;
    const first = readU32le(node, at + (depth > 0 ? 4 : 8));
    const count = depth > 0 ? 1 : Math.min(readU16le(node, at + 4), 64);
    for (let step = 0; step < count; step++) {
      const start = (first + step) * layout.blockBytes;
      if (start <= 0 || start + layout.blockBytes > bytes.length) continue;
      const block = bytes.subarray(start, start + layout.blockBytes);
      if (depth > 0) repairNode(bytes, layout, block, owner);
      else if (owner.isDirectory) repairDirectoryBlock(block, owner, readU32le(node, at) + step);
    }
  }
}

function repairNode(bytes: Uint8Array, layout: Ext4Layout, block: Uint8Array, owner: Owner): void {
  repairExtents(bytes, layout, block, { ...owner, level: owner.level + 1 });
  const tail = 12 + 12 * readU16le(block, 4);
  if (tail + 4 > block.length) return;
  writeU32le(block, tail, crc32cRaw(block.subarray(0, tail), owner.seed));
}

/** A leaf ends in a checksum disguised as an entry; the root of an index has one behind its table. */
function repairDirectoryBlock(block: Uint8Array, owner: Owner, fileBlock: number): void {
  const tail = block.length - 4;
  if (owner.hasIndex && fileBlock === 0) {
    const used = 0x20 + 8 * readU16le(block, 0x22);
    const end = 0x20 + 8 * readU16le(block, 0x20);
    if (end !== tail - 4 || used > end) return;
    const table = crc32cRaw(block.subarray(0, used), owner.seed);
    const reserved = crc32cRaw(block.subarray(end, end + 4), table);
    writeU32le(block, tail, crc32cRaw(new Uint8Array(4), reserved));
  } else if (readU32le(block, tail - 8) === 0 && block[tail - 1] === DIRECTORY_TAIL_TYPE) {
    writeU32le(block, tail, crc32cRaw(block.subarray(0, tail - 8), owner.seed));
  }
}

function le32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32le(bytes, 0, value);
  return bytes;
}
