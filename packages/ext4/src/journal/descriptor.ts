/** Descriptor and revoke blocks: which blocks a transaction holds, and which it takes back. */
import { crc32cRaw, hasAnyBit, readU16be, readU32be } from '@diskfile/bytes';
import { crc32cWithHole } from '../checksum.ts';
import type { JournalSuperblock } from './superblock.ts';
import { JOURNAL_HEADER_BYTES, TAG_FLAG } from './structs.ts';

const UUID_BYTES = 16;
const TAIL_BYTES = 4;
/** `r_count` follows the header of a revoke block; the block numbers follow it. */
const REVOKE_HEADER_BYTES = 16;

/** `journal_block_tag_s` or `journal_block_tag3_s`. */
export interface BlockTag {
  /** The filesystem block that the logged copy is of. */
  readonly block: number;
  readonly escaped: boolean;
  /** Checksum of the copy, in 16 bits for `v2` and 32 for `v3`; 0 without. */
  readonly checksum: number;
}

/** The tags of a descriptor block, one for each block that follows it in the log. */
export function parseTags(bytes: Uint8Array, journal: JournalSuperblock): BlockTag[] {
  const tagBytes = tagSize(journal);
  const end = bytes.length - tailSize(journal);
  const tags: BlockTag[] = [];
  let at = JOURNAL_HEADER_BYTES;
  while (at + tagBytes <= end) {
    const flags = readU16be(bytes, at + 6);
    const high = journal.is64 ? readU32be(bytes, at + 8) : 0;
    tags.push({
      block: high * 2 ** 32 + readU32be(bytes, at),
      escaped: hasAnyBit(flags, TAG_FLAG.ESCAPE),
      checksum: journal.checksum === 'v3' ? readU32be(bytes, at + 12) : readU16be(bytes, at + 4),
    });
    at += tagBytes + (hasAnyBit(flags, TAG_FLAG.SAME_UUID) ? 0 : UUID_BYTES);
    if (hasAnyBit(flags, TAG_FLAG.LAST_TAG)) break;
  }
  return tags;
}

/**
 * Bytes of a tag without its UUID. With `v2` two bytes stand at its end that were once meant for the
 * checksum and hold nothing.
 */
function tagSize({ checksum, is64 }: JournalSuperblock): number {
  if (checksum === 'v3') return 16;
  return (is64 ? 12 : 8) + (checksum === 'v2' ? 2 : 0);
}

function tailSize({ checksum }: JournalSuperblock): number {
  return checksum === 'v2' || checksum === 'v3' ? TAIL_BYTES : 0;
}

/** The block numbers of a revoke block; undefined when its count cannot be right. */
export function parseRevokes(bytes: Uint8Array, journal: JournalSuperblock): number[] | undefined {
  const usedBytes = readU32be(bytes, JOURNAL_HEADER_BYTES);
  if (usedBytes < REVOKE_HEADER_BYTES || usedBytes > bytes.length - tailSize(journal)) {
    return undefined;
  }
  const entryBytes = journal.is64 ? 8 : 4;
  const blocks: number[] = [];
  for (let at = REVOKE_HEADER_BYTES; at + entryBytes <= usedBytes; at += entryBytes) {
    const high = journal.is64 ? readU32be(bytes, at) * 2 ** 32 : 0;
    blocks.push(high + readU32be(bytes, at + entryBytes - 4));
  }
  return blocks;
}

/** Whether the checksum at the end of a descriptor or revoke block fits; true where there is none. */
export function tailChecksumFits(bytes: Uint8Array, journal: JournalSuperblock): boolean {
  if (tailSize(journal) === 0) return true;
  const at = bytes.length - TAIL_BYTES;
  return crc32cWithHole(bytes, at, TAIL_BYTES, journal.checksumSeed) === readU32be(bytes, at);
}

/** Whether a logged copy is what its tag says; true where tags have no checksums. */
export function tagChecksumFits(
  tag: BlockTag,
  copy: Uint8Array,
  sequenceSeed: number,
  journal: JournalSuperblock,
): boolean {
  if (journal.checksum !== 'v2' && journal.checksum !== 'v3') return true;
  const sum = crc32cRaw(copy, sequenceSeed);
  return (journal.checksum === 'v2' ? sum % 2 ** 16 : sum) === tag.checksum;
}
