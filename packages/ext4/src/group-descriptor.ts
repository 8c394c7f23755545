/** Block group descriptors, in each of the layouts that the table can have. Read when wanted. */
import { readU16le, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { BlockReader } from './blocks/block-reader.ts';
import { groupChecksumFits } from './checksum.ts';
import { INCOMPAT } from './features.ts';
import { atOffset, type Report } from './report.ts';
import { groupHasSuperblock, type Superblock } from './superblock.ts';
import { ext4_group_desc, SUPERBLOCK_OFFSET } from './structs.ts';

/** Parsed descriptors that are kept; a filesystem may have millions of groups. */
const MAX_KEPT_GROUPS = 4096;

export interface GroupDescriptor {
  readonly inodeTableBlock: number;
  readonly freeClusters: number;
  readonly freeInodes: number;
}

export class GroupTable {
  readonly #superblock: Superblock;
  readonly #reader: BlockReader;
  readonly #report: Report;
  readonly #groups = new Map<number, GroupDescriptor>();

  constructor(superblock: Superblock, reader: BlockReader, report: Report) {
    this.#superblock = superblock;
    this.#reader = reader;
    this.#report = report;
  }

  /** The descriptor if it is in memory. */
  cached(group: number): GroupDescriptor | undefined {
    return this.#groups.get(group);
  }

  /** @param group below `groupCount` */
  *read(group: number): Step<GroupDescriptor> {
    const kept = this.#groups.get(group);
    if (kept !== undefined) return kept;
    const { blockBytes, descriptorBytes, groupCount, features } = this.#superblock;
    const perBlock = blockBytes / descriptorBytes;
    const index = Math.floor(group / perBlock);
    const block = descriptorBlock(this.#superblock, index);
    // The rest of the table follows, unless each meta group has its own.
    const rest = Math.ceil(groupCount / perBlock) - index - 1;
    const bytes = yield* this.#reader.read(
      block,
      features.hasIncompat(INCOMPAT.META_BG) ? 0 : rest,
    );
    const at = (group % perBlock) * descriptorBytes;
    const descriptor = atOffset(block * blockBytes + at, () =>
      this.#parse(bytes.subarray(at, at + descriptorBytes), group),
    );
    if (this.#groups.size >= MAX_KEPT_GROUPS) this.#groups.clear();
    this.#groups.set(group, descriptor);
    return descriptor;
  }

  #parse(bytes: Uint8Array, group: number): GroupDescriptor {
    const { checksumKind, checksumSeed, uuidBytes } = this.#superblock;
    if (!groupChecksumFits(checksumKind, bytes, group, checksumSeed, uuidBytes)) {
      this.#report.damage(
        'group-descriptor-checksum',
        `The checksum of the descriptor of block group ${group} does not fit`,
      );
    }
    const is64 = this.#superblock.descriptorBytes >= 64;
    const block = (low: number, high: number) =>
      readU32le(bytes, low) + (is64 ? readU32le(bytes, high) * 2 ** 32 : 0);
    const count = (low: number, high: number) =>
      readU16le(bytes, low) + (is64 ? readU16le(bytes, high) * 2 ** 16 : 0);
    const fields = ext4_group_desc;
    return {
      inodeTableBlock: block(fields.bg_inode_table_lo, fields.bg_inode_table_hi),
      freeClusters: count(fields.bg_free_blocks_count_lo, fields.bg_free_blocks_count_hi),
      freeInodes: count(fields.bg_free_inodes_count_lo, fields.bg_free_inodes_count_hi),
    };
  }
}

/**
 * Where the `index`th block of descriptors is. They follow the superblock, or with `meta_bg` stand
 * at the start of the first group that they describe ("Meta Block Groups").
 */
export function descriptorBlock(superblock: Superblock, index: number): number {
  const { blockBytes, blocksPerGroup, firstDataBlock, features, fields } = superblock;
  const superblockBlock = Math.floor(SUPERBLOCK_OFFSET / blockBytes);
  if (!features.hasIncompat(INCOMPAT.META_BG) || index < fields.s_first_meta_bg) {
    return superblockBlock + 1 + index;
  }
  const group = index * (blockBytes / superblock.descriptorBytes);
  // The first group's superblock may be in block 1 although the group begins with block 0.
  if (group === 0) return superblockBlock + 1;
  const start = firstDataBlock + group * blocksPerGroup;
  return groupHasSuperblock(superblock, group) ? start + 1 : start;
}
