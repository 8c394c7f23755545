/** From the operations of fast commits to their outcome ("Fast Commit Replay Idempotence"). */
import { readU16le, readU32le, writeU16le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { hasFlag, INODE_FLAG } from '../inodes/inode-flags.ts';
import {
  ext4_inode,
  EXTENT_ENTRY_BYTES,
  EXTENT_HEADER_BYTES,
  EXTENT_MAGIC,
  I_BLOCK_BYTES,
  MAX_FILE_BLOCKS,
} from '../structs.ts';
import type { VolumeParts } from '../volume-parts.ts';
import type {
  AddRange,
  DeleteRange,
  FastCommitOperation,
  NameOperation,
  RecordOperation,
} from './fast-commit-operation.ts';
import { FastCommitState } from './fast-commit-state.ts';
import { NameChanges } from './name-changes.ts';
import { RangeOverlay } from './range-overlay.ts';

/** Inode records that are kept, in bytes. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** Changes of one file's map that are kept; more than the longest fast commit area can hold. */
const MAX_RANGES = 2 ** 20;

/** @param parts the volume as full commits left it */
export function* replayFastCommits(
  operations: readonly FastCommitOperation[],
  parts: VolumeParts,
): Step<FastCommitState> {
  const replay = new FastCommitReplay(parts);
  for (const operation of operations) yield* replay.apply(operation);
  return replay.state();
}

class FastCommitReplay {
  readonly #parts: VolumeParts;
  readonly #records = new Map<number, Uint8Array>();
  readonly #ranges = new Map<number, RangeOverlay>();
  readonly #names = new Map<number, NameChanges>();

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  state(): FastCommitState {
    return new FastCommitState(this.#records, this.#ranges, this.#names);
  }

  *apply(operation: FastCommitOperation): Step<void> {
    this.#checkInode(operation.inode);
    const { kind } = operation;
    if (kind === 'inode') yield* this.#applyRecord(operation);
    else if (kind === 'add-range' || kind === 'delete-range') this.#applyRange(operation);
    else this.#applyName(operation);
  }

  #checkInode(inode: number): void {
    if (this.#parts.inodes.has(inode)) return;
    throw this.#parts.report.corrupt(
      'fast-commit-inode',
      `A fast commit is about inode ${inode}, which does not exist`,
    );
  }

  *#applyRecord({ inode, record }: RecordOperation): Step<void> {
    const base = this.#records.get(inode) ?? (yield* this.#parts.inodes.record(inode));
    this.#records.set(inode, mergeRecord(base, record));
    if (this.#records.size * this.#parts.superblock.inodeBytes <= MAX_RECORD_BYTES) return;
    throw this.#parts.report.limit('fast-commit-inodes', 'Fast commits change too many inodes');
  }

  #applyName(operation: NameOperation): void {
    const { directory, name, kind, inode } = operation;
    entryOf(this.#names, directory, () => new NameChanges()).add(name, kind, inode);
  }

  #applyRange(range: AddRange | DeleteRange): void {
    const { inode, fileBlock } = range;
    const ranges = entryOf(this.#ranges, inode, () => new RangeOverlay());
    const blockCount = Math.min(range.blockCount, MAX_FILE_BLOCKS - fileBlock);
    if (blockCount === 0) return;
    if (ranges.count >= MAX_RANGES) {
      throw this.#parts.report.limit(
        'fast-commit-ranges',
        `Fast commits change inode ${inode} in more than ${MAX_RANGES} places`,
      );
    }
    if (range.kind === 'delete-range') {
      ranges.set(fileBlock, blockCount, 'hole', 0);
      return;
    }
    const { physicalBlock, unwritten } = range;
    this.#checkBlocks(inode, physicalBlock, blockCount);
    ranges.set(fileBlock, blockCount, unwritten ? 'unwritten' : 'data', physicalBlock);
  }

  #checkBlocks(inode: number, first: number, count: number): void {
    const { reader, superblock, report } = this.#parts;
    if (first > superblock.firstDataBlock && first + count <= reader.blockCount) return;
    throw report.corrupt(
      'fast-commit-range',
      `A fast commit maps inode ${inode} to block ${first} of ${reader.blockCount}`,
    );
  }
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
