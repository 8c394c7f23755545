/** From the blocks of a file to the blocks of the filesystem, whatever way an inode keeps that. */
import type { Step } from '@diskfile/core';

/** `unwritten` blocks are allocated and read as zeros, like holes. */
export type RunKind = 'data' | 'hole' | 'unwritten';

/** A run of file blocks with one answer. One object is filled again and again. */
export class BlockRun {
  kind: RunKind = 'hole';
  /** Filesystem block of the first one, for `data` and `unwritten`. */
  physicalBlock = 0;
  /** How many file blocks, from the one that was asked for, this answer covers. At least 1. */
  blockCount = 0;

  setHole(blockCount: number): void {
    this.kind = 'hole';
    this.physicalBlock = 0;
    this.blockCount = blockCount;
  }

  setMapped(kind: RunKind, physicalBlock: number, blockCount: number): void {
    this.kind = kind;
    this.physicalBlock = physicalBlock;
    this.blockCount = blockCount;
  }
}

export interface BlockMap {
  /** File blocks that the map can speak of. */
  readonly blockLimit: number;
  /**
   * Fills `run` for the blocks from `fileBlock`, no further than `maxBlocks`. No I/O: false means
   * that a table is missing, and after {@link load} of the same block the same call succeeds.
   */
  find(fileBlock: number, maxBlocks: number, run: BlockRun): boolean;
  load(fileBlock: number): Step<void>;
}

/** {@link BlockMap.find} for code that may pause. */
export function* findRun(
  map: BlockMap,
  fileBlock: number,
  maxBlocks: number,
  run: BlockRun,
): Step<void> {
  if (map.find(fileBlock, maxBlocks, run)) return;
  yield* map.load(fileBlock);
  if (map.find(fileBlock, maxBlocks, run)) return;
  throw new Error(`assertion failed: file block ${fileBlock} is missing after load`);
}
