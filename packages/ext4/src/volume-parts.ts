/** What the parts of a mounted volume share. */
import type { BlockMap } from './blocks/block-map.ts';
import type { BlockReader } from './blocks/block-reader.ts';
import { ExtentTree } from './blocks/extent-tree.ts';
import { IndirectMap } from './blocks/indirect-map.ts';
import { hasFlag, INODE_FLAG } from './inodes/inode-flags.ts';
import type { InodeTable } from './inodes/inode-table.ts';
import type { Inode } from './inodes/inode.ts';
import type { FastCommitState } from './journal/fast-commit-state.ts';
import type { Report } from './report.ts';
import type { Superblock } from './superblock.ts';

export interface VolumeParts {
  readonly superblock: Superblock;
  readonly reader: BlockReader;
  readonly inodes: InodeTable;
  readonly report: Report;
  /** What fast commits say on top of the disk and the overlay. */
  readonly fastCommits: FastCommitState;
}

/** The block map of a file, directory or symbolic link that has blocks. */
export function openBlockMap(inode: Inode, parts: VolumeParts): BlockMap {
  const { superblock, reader, report, fastCommits } = parts;
  const map = hasFlag(inode.flags, INODE_FLAG.EXTENTS)
    ? new ExtentTree(inode, superblock, reader)
    : new IndirectMap(inode, superblock.firstDataBlock + 1, reader);
  if (Math.ceil(inode.sizeBytes / reader.blockBytes) > map.blockLimit) {
    throw report.corrupt(
      'inode-size',
      `Inode ${inode.number} claims ${inode.sizeBytes} bytes, more than its block map can reach`,
    );
  }
  return fastCommits.withRanges(inode.number, map);
}
