/** What mounting a filesystem with a journal to replay does, in memory. */
import type { Limits, Step } from '@diskfile/core';
import { INCOMPAT } from '../features.ts';
import type { Inode } from '../inodes/inode.ts';
import { openBlockMap, type VolumeParts } from '../volume-parts.ts';
import { readFastCommits } from './fast-commit-log.ts';
import type { FastCommitOperation } from './fast-commit-operation.ts';
import { JournalLog } from './log.ts';
import { JournalOverlay } from './overlay.ts';
import { replay } from './replay.ts';
import { scanLog, type ScannedLog } from './scan.ts';
import { type JournalSuperblock, parseJournalSuperblock } from './superblock.ts';

/** Memory that one logged block takes while the log is read, for the bound on their number. */
const BYTES_PER_LOGGED_BLOCK = 64;

/** Facts about a replay, for people. */
export interface ReplaySummary {
  readonly features: readonly string[];
  readonly checksum: string;
  readonly transactions: number;
  readonly replayedBlocks: number;
  readonly revokedBlocks: number;
  readonly fastCommits: number;
  /** Why the log ended where it did, when something was wrong there. */
  readonly stoppedBecause: string | undefined;
}

export interface Recovery {
  readonly overlay: JournalOverlay;
  readonly fastCommitOperations: readonly FastCommitOperation[];
  readonly summary: ReplaySummary;
}

/** @param parts the volume as it is on disk, before the replay */
export function* recover(parts: VolumeParts, limits: Limits): Step<Recovery> {
  const { reader, report, superblock } = parts;
  const inode = yield* openJournalInode(parts);
  const log = new JournalLog(openBlockMap(inode, parts), reader);
  const fileBlocks = Math.floor(inode.sizeBytes / reader.blockBytes);
  const journalBlocks = Math.min(fileBlocks, reader.blockCount);
  if (journalBlocks === 0) throw report.corrupt('journal-size', 'The journal has no blocks');
  const journal = parseJournalSuperblock(yield* log.read(0), journalBlocks, report);
  if (journal.errorNumber !== 0) {
    report.warn('journal-error', 'The guest gave up writing its journal because of an error');
  }
  if (journal.startBlock === 0) return emptyRecovery(journal);
  const maxBlocks = Math.floor(limits.maxStructureBytes / BYTES_PER_LOGGED_BLOCK);
  const scanned = yield* scanLog(journal, log, maxBlocks, report);
  if (scanned.stoppedBecause !== undefined) {
    report.warn('journal-stopped', `The journal was replayed until ${scanned.stoppedBecause}`);
  }
  const replayed = yield* replay(scanned, journal, log, superblock.blockCount, report);
  const fastCommits = journal.hasFastCommits
    ? yield* readFastCommits(journal, log, scanned.endSequence, report)
    : { operations: [], commitCount: 0 };
  return {
    overlay: replayed.overlay,
    fastCommitOperations: fastCommits.operations,
    summary: summarise(journal, scanned, {
      replayedBlocks: replayed.overlay.size,
      revokedBlocks: replayed.revokedCount,
      fastCommits: fastCommits.commitCount,
    }),
  };
}

function* openJournalInode({ superblock, inodes, report }: VolumeParts): Step<Inode> {
  const number = superblock.fields.s_journal_inum;
  if (number === 0) {
    throw report.unsupported(
      'external-journal',
      'The filesystem needs recovery from a journal that is on another device',
      { hint: 'Mount it once with that device in the guest, then open the image again.' },
    );
  }
  const inode = inodes.has(number) ? yield* inodes.read(number) : undefined;
  if (inode?.type === 'file') return inode;
  throw report.corrupt(
    'journal-inode',
    `Inode ${number} is said to be the journal, but is no file`,
  );
}

function emptyRecovery(journal: JournalSuperblock): Recovery {
  const scanned = { transactionCount: 0, stoppedBecause: undefined };
  const counts = { replayedBlocks: 0, revokedBlocks: 0, fastCommits: 0 };
  return {
    overlay: JournalOverlay.empty,
    fastCommitOperations: [],
    summary: summarise(journal, scanned, counts),
  };
}

function summarise(
  journal: JournalSuperblock,
  scanned: Pick<ScannedLog, 'transactionCount' | 'stoppedBecause'>,
  counts: Pick<ReplaySummary, 'replayedBlocks' | 'revokedBlocks' | 'fastCommits'>,
): ReplaySummary {
  return {
    features: journal.featureNames,
    checksum: journal.checksum,
    transactions: scanned.transactionCount,
    ...counts,
    stoppedBecause: scanned.stoppedBecause,
  };
}

/** Whether the superblock asks for a replay. */
export function needsRecovery({ superblock }: VolumeParts): boolean {
  return superblock.features.hasIncompat(INCOMPAT.RECOVER);
}
