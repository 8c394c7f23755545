/** Size and free space as `statfs(2)` gives them: without what the filesystem itself takes. */
import type { Step, VolumeUsage } from '@diskfile/core';
import { COMPAT, INCOMPAT, RO_COMPAT } from './features.ts';
import type { GroupTable } from './group-descriptor.ts';
import type { Superblock } from './superblock.ts';

const MAX_NAME_BYTES = 255;
/** Groups whose descriptors are read to sum them up; with more, the superblock is believed. */
const MAX_SUMMED_GROUPS = 4096;
/** The same after a replay, where the superblock is surely behind. */
const MAX_SUMMED_GROUPS_REPLAYED = 2 ** 18;
/** Clusters that Linux keeps back for allocations that must not fail: 2 % or this many. */
const MAX_RESERVED_CLUSTERS = 4096;

/** Free space at a moment. */
export interface FreeCounts {
  readonly freeBlocks: number;
  readonly freeInodes: number;
}

/** @param journalBlocks blocks of the journal when it is inside the filesystem */
export function makeUsage(
  superblock: Superblock,
  journalBlocks: number,
  { freeBlocks, freeInodes }: FreeCounts,
): VolumeUsage {
  const { blockCount, blockBytes, inodeCount } = superblock;
  const kept = superblock.reservedBlocks + reservedForAllocation(superblock);
  return {
    blockBytes,
    totalBlocks: Math.max(0, blockCount - overheadBlocks(superblock, journalBlocks)),
    freeBlocks,
    availableBlocks: Math.max(0, freeBlocks - kept),
    totalInodes: inodeCount,
    freeInodes,
    maxNameBytes: MAX_NAME_BYTES,
  };
}

/** The counts of the superblock, which are right after a clean unmount. */
export function countsOfSuperblock({ freeBlocks, fields }: Superblock): FreeCounts {
  return { freeBlocks, freeInodes: fields.s_free_inodes_count };
}

/**
 * The counts of all groups, which is what Linux goes by: the superblock's stay behind while the
 * filesystem is mounted. Not read when there are very many.
 */
export function* readFreeCounts(
  superblock: Superblock,
  groups: GroupTable,
  replayed: boolean,
): Step<FreeCounts> {
  const { groupCount, blocksPerCluster } = superblock;
  if (groupCount > (replayed ? MAX_SUMMED_GROUPS_REPLAYED : MAX_SUMMED_GROUPS)) {
    return countsOfSuperblock(superblock);
  }
  let freeClusters = 0;
  let freeInodes = 0;
  for (let group = 0; group < groupCount; group++) {
    const descriptor = groups.cached(group) ?? (yield* groups.read(group));
    freeClusters += descriptor.freeClusters;
    freeInodes += descriptor.freeInodes;
  }
  return { freeBlocks: freeClusters * blocksPerCluster, freeInodes };
}

/** Filesystems with extents keep some clusters back (sysfs-fs-ext4, `reserved_clusters`). */
function reservedForAllocation({ features, blockCount, blocksPerCluster }: Superblock): number {
  if (!features.hasIncompat(INCOMPAT.EXTENTS)) return 0;
  const clusters = Math.floor(blockCount / blocksPerCluster);
  return Math.min(Math.floor(clusters / 50), MAX_RESERVED_CLUSTERS) * blocksPerCluster;
}

/**
 * Blocks of superblocks, descriptors, bitmaps, inode tables and the journal. With clusters some of
 * them share one, which is why mke2fs then records the sum.
 */
function overheadBlocks(superblock: Superblock, journalBlocks: number): number {
  const { blocksPerCluster, fields, groupCount, firstDataBlock } = superblock;
  const recorded = fields.s_overhead_blocks * blocksPerCluster;
  if (blocksPerCluster > 1 && recorded > 0 && recorded <= superblock.blockCount) return recorded;
  const inodesPerBlock = superblock.blockBytes / superblock.inodeBytes;
  const tableBlocks = Math.ceil(superblock.inodesPerGroup / inodesPerBlock);
  return (
    firstDataBlock +
    groupCount * (tableBlocks + 2) +
    groupsWithSuperblock(superblock, groupCount) +
    descriptorBlocks(superblock) +
    journalBlocks
  );
}

/** Blocks of group descriptors, backups and room to grow included. */
function descriptorBlocks(superblock: Superblock): number {
  const { groupCount, features, fields } = superblock;
  const perBlock = superblock.blockBytes / superblock.descriptorBytes;
  if (!features.hasIncompat(INCOMPAT.META_BG)) {
    const inEachCopy = Math.ceil(groupCount / perBlock) + fields.s_reserved_gdt_blocks;
    return groupsWithSuperblock(superblock, groupCount) * inEachCopy;
  }
  const classicGroups = Math.min(groupCount, fields.s_first_meta_bg * perBlock);
  const classic = groupsWithSuperblock(superblock, classicGroups) * fields.s_first_meta_bg;
  // A meta group has its block of descriptors in its first, second and last group.
  const metaGroups = Math.floor((groupCount - classicGroups) / perBlock);
  const rest = (groupCount - classicGroups) % perBlock;
  return classic + metaGroups * Math.min(3, perBlock) + Math.min(2, rest);
}

/** How many of the first groups hold a superblock; counted by their numbers, not one by one. */
function groupsWithSuperblock(superblock: Superblock, groupLimit: number): number {
  const { features, backupGroups } = superblock;
  if (groupLimit === 0) return 0;
  if (features.hasCompat(COMPAT.SPARSE_SUPER2)) {
    const backups = new Set(backupGroups.filter((group) => group > 0 && group < groupLimit));
    return 1 + backups.size;
  }
  if (!features.hasRoCompat(RO_COMPAT.SPARSE_SUPER)) return groupLimit;
  let count = Math.min(2, groupLimit);
  for (const base of [3, 5, 7]) {
    for (let group = base; group < groupLimit; group *= base) count += 1;
  }
  return count;
}
