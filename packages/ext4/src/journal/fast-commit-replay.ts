/** From the operations of fast commits to their outcome ("Fast Commit Replay Idempotence"). */
import { readU16le, readU32le, writeU16le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { hasFlag, INODE_FLAG } from '../inode-flags.ts';
import type { InodeTable } from '../inode-table.ts';
import type { Report } from '../report.ts';
import {
  ext4_inode,
  EXTENT_ENTRY_BYTES,
  EXTENT_HEADER_BYTES,
  EXTENT_MAGIC,
  I_BLOCK_BYTES,
  MAX_FILE_BLOCKS,
} from '../structs.ts';
import type { Superblock } from '../superblock.ts';
import type { FastCommitOperation } from './fast-commit-log.ts';
import { FastCommitState } from './fast-commit-state.ts';
import { NameChanges } from './name-changes.ts';
import { RangeOverlay } from './range-overlay.ts';

/** Ranges of one file that are kept; what a fast commit area of usual size can hold. */
const MAX_RANGES = 65_536;

/** @param inodes the table as full commits left it */
export function* replayFastCommits(
  operations: readonly FastCommitOperation[],
  superblock: Superblock,
  inodes: InodeTable,
  report: Report,
): Step<FastCommitState> {
  const records = new Map<number, Uint8Array>();
  const ranges = new Map<number, RangeOverlay>();
  const names = new Map<number, NameChanges>();
  for (const operation of operations) {
    switch (operation.kind) {
      case 'inode': {
        const { inode } = operation;
        const base = records.get(inode) ?? (yield* inodes.record(inode)).slice();
        records.set(inode, mergeRecord(base, operation.record));
        break;
      }
      case 'add-range':
      case 'delete-range':
        applyRange(
          operation,
          entryOf(ranges, operation.inode, () => new RangeOverlay()),
          superblock,
          report,
        );
        break;
      default: {
        const { directory, name, kind, inode } = operation;
        entryOf(names, directory, () => new NameChanges()).add(name, kind, inode);
      }
    }
  }
  return new FastCommitState(records, ranges, names);
}

function entryOf<T>(map: Map<number, T>, key: number, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/**
 * The record on disk with what a fast commit says of it. Extents are not part of that, as they are
 * told as ranges; an inode that had none gets an empty tree.
 */
function mergeRecord(base: Uint8Array, logged: Uint8Array): Uint8Array {
  const record = base.slice();
  const afterBlocks = ext4_inode.i_block + I_BLOCK_BYTES;
  record.set(logged.subarray(0, ext4_inode.i_block));
  record.set(logged.subarray(afterBlocks, record.length), afterBlocks);
  const flags = readU32le(record, ext4_inode.i_flags);
  const inBase = record.subarray(ext4_inode.i_block, afterBlocks);
  if (!hasFlag(flags, INODE_FLAG.EXTENTS)) {
    inBase.set(logged.subarray(ext4_inode.i_block, afterBlocks));
  } else if (readU16le(inBase, 0) !== EXTENT_MAGIC) {
    inBase.fill(0);
    writeU16le(inBase, 0, EXTENT_MAGIC);
    writeU16le(inBase, 4, (I_BLOCK_BYTES - EXTENT_HEADER_BYTES) / EXTENT_ENTRY_BYTES);
  }
  return record;
}

function applyRange(
  range: FastCommitOperation & { kind: 'add-range' | 'delete-range' },
  ranges: RangeOverlay,
  superblock: Superblock,
  report: Report,
): void {
  const { inode, fileBlock } = range;
  const blockCount = Math.min(range.blockCount, MAX_FILE_BLOCKS - fileBlock);
  if (blockCount === 0) return;
  if (ranges.count >= MAX_RANGES) {
    throw report.limit(
      'fast-commit-ranges',
      `Fast commits change inode ${inode} in more than ${MAX_RANGES} places`,
    );
  }
  if (range.kind === 'delete-range') {
    ranges.set(fileBlock, blockCount, 'hole', 0);
    return;
  }
  const { physicalBlock, unwritten } = range;
  if (physicalBlock + blockCount > superblock.blockCount) {
    throw report.corrupt(
      'fast-commit-range',
      `A fast commit maps inode ${inode} to block ${physicalBlock} of ${superblock.blockCount}`,
    );
  }
  ranges.set(fileBlock, blockCount, unwritten ? 'unwritten' : 'data', physicalBlock);
}
