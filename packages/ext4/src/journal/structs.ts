/**
 * On-disk structures of the journal, jbd2 ("Journal (jbd2)"). Unlike the filesystem's, all integers
 * are big endian.
 */
import { blob, readU32be, struct, u8, u32be } from '@diskfile/bytes';
import { JBD2_MAGIC } from '../blocks/block-reader.ts';

export const JOURNAL_SUPERBLOCK_BYTES = 1024;
/** `journal_header_s`: h_magic, h_blocktype, h_sequence. */
export const JOURNAL_HEADER_BYTES = 12;

export const BLOCK_TYPE = {
  DESCRIPTOR: 1,
  COMMIT: 2,
  SUPERBLOCK_V1: 3,
  SUPERBLOCK_V2: 4,
  REVOKE: 5,
} as const;

export const JOURNAL_COMPAT_CHECKSUM = 0x1;

export const JOURNAL_INCOMPAT = {
  REVOKE: 0x1,
  BIT64: 0x2,
  ASYNC_COMMIT: 0x4,
  CSUM_V2: 0x8,
  CSUM_V3: 0x10,
  FAST_COMMIT: 0x20,
} as const;

export const TAG_FLAG = { ESCAPE: 0x1, SAME_UUID: 0x2, LAST_TAG: 0x8 } as const;

/** `journal_superblock_s`; the fields from `s_feature_compat` on are valid in version 2 only. */
export const journal_superblock = struct('journal_superblock_s', {
  h_magic: u32be,
  h_blocktype: u32be,
  h_sequence: u32be,
  s_blocksize: u32be,
  s_maxlen: u32be,
  s_first: u32be,
  s_sequence: u32be,
  s_start: u32be,
  s_errno: u32be,
  s_feature_compat: u32be,
  s_feature_incompat: u32be,
  s_feature_ro_compat: u32be,
  s_uuid: blob(16),
  s_nr_users: u32be,
  s_dynsuper: u32be,
  s_max_transaction: u32be,
  s_max_trans_data: u32be,
  s_checksum_type: u8,
  s_padding2: blob(3),
  s_num_fc_blks: u32be,
  s_head: u32be,
  s_padding: blob(160),
  s_checksum: u32be,
  s_users: blob(768),
});

/** `commit_header`: offsets of the checksum fields. */
export const commit_header = { h_chksum_type: 0x0c, h_chksum_size: 0x0d, h_chksum: 0x10 } as const;

export interface JournalHeader {
  readonly type: number;
  readonly sequence: number;
}

/** The header of a journal block; undefined when the block has none. */
export function readJournalHeader(bytes: Uint8Array): JournalHeader | undefined {
  if (readU32be(bytes, 0) !== JBD2_MAGIC) return undefined;
  return { type: readU32be(bytes, 4), sequence: readU32be(bytes, 8) };
}

/** Whether transaction `a` is later than `b`; numbers wrap around at 2^32. */
export function isLater(a: number, b: number): boolean {
  const ahead = (a - b + 2 ** 32) % 2 ** 32;
  return ahead !== 0 && ahead < 2 ** 31;
}

export function nextSequence(sequence: number): number {
  return (sequence + 1) % 2 ** 32;
}
