/** The journal's own superblock: where the log begins and how it is written. */
import { crc32cRaw, hasAnyBit, clearBits } from '@diskfile/bytes';
import { JBD2_MAGIC } from '../blocks/block-reader.ts';
import { crc32cWithHole } from '../checksum.ts';
import type { Report } from '../report.ts';
import {
  BLOCK_TYPE,
  JOURNAL_COMPAT_CHECKSUM,
  JOURNAL_INCOMPAT,
  journal_superblock,
  JOURNAL_SUPERBLOCK_BYTES,
} from './structs.ts';

/** The longest journal that mke2fs makes, in blocks. */
const MAX_JOURNAL_BLOCKS = 10_240_000;
/** Blocks of fast commits where the superblock does not say. */
const DEFAULT_FAST_COMMIT_BLOCKS = 256;
const CHECKSUM_TYPE_CRC32C = 4;
const KNOWN_INCOMPAT = Object.values(JOURNAL_INCOMPAT).reduce((sum, bit) => sum + bit, 0);

/**
 * Which checksums the log has: `v1` one over each transaction in its commit block, `v2` and `v3` one
 * in each block of the log's own and one with each tag.
 */
export type JournalChecksum = 'none' | 'v1' | 'v2' | 'v3';

export interface JournalSuperblock {
  /** Log blocks `[firstBlock, logEnd)` are used in a circle. */
  readonly firstBlock: number;
  readonly logEnd: number;
  /** Fast commits are in `[fastCommitStart, fastCommitEnd)`; one block before them is not used. */
  readonly fastCommitStart: number;
  readonly fastCommitEnd: number;
  /** Where the oldest transaction begins; 0 when the log is empty. */
  readonly startBlock: number;
  /** Number of that transaction. */
  readonly sequence: number;
  /** The error that made the guest give up, 0 for none. */
  readonly errorNumber: number;
  readonly checksum: JournalChecksum;
  /** What the checksums of `v2` and `v3` start from. */
  readonly checksumSeed: number;
  readonly is64: boolean;
  readonly hasFastCommits: boolean;
  /** Features by their names in the documentation, for display. */
  readonly featureNames: readonly string[];
}

/**
 * @param bytes the first block of the journal
 * @param journalBlocks how many blocks the journal's file, and the disk, can have
 */
export function parseJournalSuperblock(
  bytes: Uint8Array,
  journalBlocks: number,
  report: Report,
): JournalSuperblock {
  const fields = journal_superblock.decode(bytes);
  const fault = (what: string) => report.corrupt('journal-superblock', `The journal ${what}`);
  const { h_magic, h_blocktype, s_maxlen, s_first, s_start } = fields;
  if (h_magic !== JBD2_MAGIC) throw fault('has no superblock');
  const version2 = h_blocktype === BLOCK_TYPE.SUPERBLOCK_V2;
  if (!version2 && h_blocktype !== BLOCK_TYPE.SUPERBLOCK_V1) throw fault('has no superblock');
  if (fields.s_blocksize !== bytes.length) {
    throw fault(`has blocks of ${fields.s_blocksize} bytes, the filesystem of ${bytes.length}`);
  }
  if (s_maxlen > Math.min(journalBlocks, MAX_JOURNAL_BLOCKS)) {
    throw fault(`claims ${s_maxlen} blocks, but there are ${journalBlocks}`);
  }
  const incompat = version2 ? fields.s_feature_incompat : 0;
  const compat = version2 ? fields.s_feature_compat : 0;
  checkFeatures(incompat, report);
  const hasFastCommits = hasAnyBit(incompat, JOURNAL_INCOMPAT.FAST_COMMIT);
  const fastCommitBlocks = hasFastCommits ? fields.s_num_fc_blks || DEFAULT_FAST_COMMIT_BLOCKS : 0;
  const logEnd = s_maxlen - fastCommitBlocks;
  if (s_first === 0 || s_first >= logEnd) throw fault(`begins with block ${s_first} of ${logEnd}`);
  if (s_start !== 0 && (s_start < s_first || s_start >= logEnd)) {
    throw fault(`is to be read from block ${s_start}, which is not in its log`);
  }
  const checksum = checksumKind(compat, incompat);
  verifySuperblock(bytes, checksum, report);
  return {
    firstBlock: s_first,
    logEnd,
    fastCommitStart: logEnd + 1,
    fastCommitEnd: s_maxlen,
    startBlock: s_start,
    sequence: fields.s_sequence,
    errorNumber: fields.s_errno,
    checksum,
    checksumSeed: crc32cRaw(fields.s_uuid, 0xffff_ffff),
    is64: hasAnyBit(incompat, JOURNAL_INCOMPAT.BIT64),
    hasFastCommits,
    featureNames: featureNames(compat, incompat),
  };
}

function checkFeatures(incompat: number, report: Report): void {
  const unknown = clearBits(incompat, KNOWN_INCOMPAT);
  if (unknown === 0) return;
  throw report.unsupported(
    'journal-features',
    `The journal needs recovery and has unknown features (0x${unknown.toString(16)})`,
  );
}

function checksumKind(compat: number, incompat: number): JournalChecksum {
  if (hasAnyBit(incompat, JOURNAL_INCOMPAT.CSUM_V3)) return 'v3';
  if (hasAnyBit(incompat, JOURNAL_INCOMPAT.CSUM_V2)) return 'v2';
  return hasAnyBit(compat, JOURNAL_COMPAT_CHECKSUM) ? 'v1' : 'none';
}

function verifySuperblock(bytes: Uint8Array, checksum: JournalChecksum, report: Report): void {
  if (checksum !== 'v2' && checksum !== 'v3') return;
  const superblock = bytes.subarray(0, JOURNAL_SUPERBLOCK_BYTES);
  const { s_checksum, s_checksum_type } = journal_superblock.decode(superblock);
  if (s_checksum_type !== CHECKSUM_TYPE_CRC32C) {
    throw report.unsupported(
      'journal-checksum-type',
      `The journal needs recovery and has checksums of the unknown type ${s_checksum_type}`,
    );
  }
  const at = journal_superblock.offsetOf('s_checksum');
  if (crc32cWithHole(superblock, at, 4, 0xffff_ffff) === s_checksum) return;
  report.damage('journal-checksum', "The checksum of the journal's superblock does not fit");
}

function featureNames(compat: number, incompat: number): string[] {
  const names = Object.entries(JOURNAL_INCOMPAT)
    .filter(([, bit]) => hasAnyBit(incompat, bit))
    .map(([name]) => name.toLowerCase().replace('bit64', '64bit'));
  return hasAnyBit(compat, JOURNAL_COMPAT_CHECKSUM) ? ['checksum', ...names] : names;
}
