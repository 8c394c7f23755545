/** From a disk to a volume: superblock, journal, and the parts that read through both. */
import { DiskError } from '@diskfile/bytes';
import {
  asStorage,
  readBytes,
  type Step,
  type Storage,
  type VolumeContext,
  type VolumeUsage,
} from '@diskfile/core';
import { BlockReader } from './blocks/block-reader.ts';
import { COMPAT } from './features.ts';
import { GroupTable } from './group-descriptor.ts';
import { InodeTable } from './inodes/inode-table.ts';
import { replayFastCommits } from './journal/fast-commit-replay.ts';
import { FastCommitState } from './journal/fast-commit-state.ts';
import { JournalOverlay } from './journal/overlay.ts';
import { needsRecovery, recover, type ReplaySummary } from './journal/recovery.ts';
import { readOrphanSpace } from './inodes/orphans.ts';
import { Report } from './report.ts';
import { ROOT_INODE, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET } from './structs.ts';
import { parseSuperblock, type Superblock } from './superblock.ts';
import { countsOfSuperblock, makeUsage, readFreeCounts } from './usage.ts';
import type { VolumeParts } from './volume-parts.ts';
import { Ext4Volume } from './volume.ts';

interface Mounted {
  readonly parts: VolumeParts;
  readonly groups: GroupTable;
  readonly replayed: ReplaySummary | undefined;
}

/** @throws DiskError when there is no such filesystem, or it cannot be read */
export function* mountVolume(context: VolumeContext): Step<Ext4Volume> {
  const storage = asStorage(context.source);
  const report = new Report(storage.name, context.strict);
  if (storage.sizeBytes < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) {
    throw report.corrupt(
      'superblock',
      'The disk is too short for an ext2, ext3 or ext4 superblock',
    );
  }
  const bytes = yield* readBytes(storage, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES);
  const superblock = parseSuperblock(bytes, report);
  warnOfState(superblock, storage, report);
  const onDisk = assemble(superblock, storage, report, context, JournalOverlay.empty);
  const mounted = needsRecovery(onDisk.parts)
    ? yield* mountReplayed(onDisk, storage, context)
    : onDisk;
  const { parts, replayed } = mounted;
  const root = yield* parts.inodes.read(ROOT_INODE);
  if (root.type !== 'directory') throw report.corrupt('root', 'The root inode is no directory');
  const usage = yield* readUsage(mounted);
  return new Ext4Volume(parts, usage, replayed);
}

/** Damage to what only the totals need does not keep anyone from reading files. */
function* readUsage({ parts, groups, replayed }: Mounted): Step<VolumeUsage> {
  const { superblock, report } = parts;
  const fallback = countsOfSuperblock(superblock);
  const counts = yield* orElse(
    readFreeCounts(superblock, groups, replayed !== undefined),
    fallback,
    report,
  );
  const none = { freeBlocks: 0, freeInodes: 0 };
  const orphans = yield* orElse(readOrphanSpace(parts), none, report);
  return makeUsage(superblock, yield* orElse(journalBlocks(parts), 0, report), {
    freeBlocks: counts.freeBlocks + orphans.freeBlocks,
    freeInodes: counts.freeInodes + orphans.freeInodes,
  });
}

/** The result of a step, or `fallback` and a report when what it reads is damaged. */
function* orElse<T>(step: Step<T>, fallback: T, report: Report): Step<T> {
  try {
    return yield* step;
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'io') throw error;
    report.damage('totals', `Sizes and free space may be wrong: ${error.message}`, {
      cause: error,
    });
    return fallback;
  }
}

function assemble(
  superblock: Superblock,
  storage: Storage,
  report: Report,
  { limits }: VolumeContext,
  overlay: JournalOverlay,
): Mounted {
  const cacheBytes = limits.metadataCacheBytes;
  const reader = new BlockReader(storage, superblock, overlay, report, cacheBytes);
  const groups = new GroupTable(superblock, reader, report);
  const inodes = new InodeTable(superblock, groups, reader, report);
  const fastCommits = FastCommitState.none;
  return {
    parts: { superblock, reader, inodes, report, fastCommits },
    groups,
    replayed: undefined,
  };
}

/** The volume as the guest would see it after it mounted the filesystem again. */
function* mountReplayed(onDisk: Mounted, storage: Storage, context: VolumeContext): Step<Mounted> {
  const { report } = onDisk.parts;
  const { overlay, fastCommitOperations, summary } = yield* recover(onDisk.parts, context.limits);
  // The superblock and all tables may be among the replayed blocks.
  const superblock = yield* readReplayedSuperblock(onDisk.parts, overlay, storage, context);
  const { parts, groups } = assemble(superblock, storage, report, context, overlay);
  const fastCommits = yield* replayFastCommits(fastCommitOperations, parts);
  const inodes = new InodeTable(superblock, groups, parts.reader, report, fastCommits.records);
  return { parts: { ...parts, inodes, fastCommits }, groups, replayed: summary };
}

function* readReplayedSuperblock(
  { superblock, report }: VolumeParts,
  overlay: JournalOverlay,
  storage: Storage,
  context: VolumeContext,
): Step<Superblock> {
  const { reader } = assemble(superblock, storage, report, context, overlay).parts;
  const { blockBytes } = superblock;
  const block = yield* reader.read(Math.floor(SUPERBLOCK_OFFSET / blockBytes));
  const at = SUPERBLOCK_OFFSET % blockBytes;
  const replayed = parseSuperblock(block.subarray(at, at + SUPERBLOCK_BYTES), report);
  if (replayed.blockBytes === blockBytes) return replayed;
  throw report.corrupt('superblock', 'The superblock in the journal has another block size');
}

/** Blocks of an internal journal. */
function* journalBlocks({ superblock, inodes }: VolumeParts): Step<number> {
  const { features, fields, blockBytes } = superblock;
  if (!features.hasCompat(COMPAT.HAS_JOURNAL) || fields.s_journal_inum === 0) return 0;
  const journal = yield* inodes.read(fields.s_journal_inum);
  return Math.floor(journal.sizeBytes / blockBytes);
}

function warnOfState(superblock: Superblock, storage: Storage, report: Report): void {
  const { blockCount, blockBytes, fields } = superblock;
  if (blockCount * blockBytes > storage.sizeBytes) {
    report.warn(
      'truncated',
      `The filesystem has ${blockCount * blockBytes} bytes, the disk ends after ${storage.sizeBytes}`,
    );
  }
  if (fields.s_error_count > 0) {
    report.warn('errors', `The guest has noticed ${fields.s_error_count} errors in the filesystem`);
  }
}
