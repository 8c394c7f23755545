/** Makes the checksums of a journal right again (kernel documentation of ext4, "Journal"). */
import {
  crc32BigEndianRaw,
  crc32cRaw,
  readU16be,
  readU16le,
  readU32be,
  writeU16be,
  writeU32be,
  writeU32le,
} from '@diskfile/bytes';

export const JOURNAL_MAGIC = 0xc03b_3998;
const DESCRIPTOR = 1;
const COMMIT = 2;
const REVOKE = 5;
const COMPAT_CHECKSUM = 0x1;
const CSUM_V2 = 0x8;
const CSUM_V3 = 0x10;
const BIT64 = 0x2;
const ALL_ONES = 0xffff_ffff;
const FAST_COMMIT_TAIL = 8;
const FAST_COMMIT_HEAD = 9;

interface Journal {
  readonly isV3: boolean;
  readonly tagBytes: number;
  readonly seed: number;
}

/** @param blocks of the journal's file in their order, each a view into the image */
export function repairJournalChecksums(blocks: readonly Uint8Array[]): void {
  const [superblock] = blocks;
  if (superblock === undefined || readU32be(superblock, 4) !== 4) return;
  const hasVersion1 = (readU32be(superblock, 0x24) & COMPAT_CHECKSUM) !== 0;
  const journal = repairSuperblock(superblock);
  if (journal !== undefined) repairBlocks(blocks, journal);
  else if (hasVersion1) repairTransactions(blocks, readU32be(superblock, 0x1c));
}

/** Versions 2 and 3: each block of the log's own has a checksum. */
function repairBlocks(blocks: readonly Uint8Array[], journal: Journal): void {
  let fastRegister = 0;
  for (const [index, block] of blocks.entries()) {
    if (readU32be(block, 0) === JOURNAL_MAGIC) {
      repairLogBlock(blocks, index, journal);
    } else if (readU16le(block, 0) === FAST_COMMIT_HEAD || fastRegister !== 0) {
      fastRegister = repairFastCommits(block, fastRegister);
    }
  }
}

/** Undefined for a journal whose blocks have no checksums of their own. */
function repairSuperblock(block: Uint8Array): Journal | undefined {
  const incompat = readU32be(block, 0x28);
  if ((incompat & (CSUM_V2 | CSUM_V3)) === 0) return undefined;
  writeU32be(block, 0xfc, 0);
  writeU32be(block, 0xfc, crc32cRaw(block.subarray(0, 1024), ALL_ONES));
  const isV3 = (incompat & CSUM_V3) !== 0;
  const plainTagBytes = (incompat & BIT64) === 0 ? 8 : 12;
  return {
    isV3,
    tagBytes: isV3 ? 16 : plainTagBytes + 2,
    seed: crc32cRaw(block.subarray(0x30, 0x40), ALL_ONES),
  };
}

function repairLogBlock(blocks: readonly Uint8Array[], index: number, journal: Journal): void {
  const block = blocks[index]!;
  const type = readU32be(block, 4);
  if (type === DESCRIPTOR) repairTags(block, blocks.slice(index + 1), journal);
  if (type === DESCRIPTOR || type === REVOKE) {
    const tail = block.length - 4;
    writeU32be(block, tail, 0);
    writeU32be(block, tail, crc32cRaw(block, journal.seed));
  }
  if (type === COMMIT) {
    writeU32be(block, 0x10, 0);
    writeU32be(block, 0x10, crc32cRaw(block, journal.seed));
  }
}

/** Each tag holds a checksum of the logged block, which follows the descriptor in its turn. */
function repairTags(descriptor: Uint8Array, copies: readonly Uint8Array[], journal: Journal): void {
  const { tagBytes, isV3, seed } = journal;
  const own = crc32cRaw(descriptor.subarray(8, 12), seed);
  let at = 12;
  for (const copy of copies) {
    if (at + tagBytes + 4 > descriptor.length) return;
    const sum = crc32cRaw(copy, own);
    if (isV3) writeU32be(descriptor, at + 12, sum);
    else writeU16be(descriptor, at + 4, sum & 0xffff);
    const flags = readU16be(descriptor, at + 6);
    if ((flags & 8) !== 0) return;
    at += tagBytes + ((flags & 2) === 0 ? 16 : 0);
  }
}

/** Version 1: the commit block has one over the descriptors and copies of its transaction. */
function repairTransactions(blocks: readonly Uint8Array[], startBlock: number): void {
  let register = ALL_ONES;
  for (let index = startBlock; index < blocks.length; index++) {
    const block = blocks[index]!;
    if (readU32be(block, 0) !== JOURNAL_MAGIC) return;
    const type = readU32be(block, 4);
    if (type === DESCRIPTOR) {
      const copies = blocks.slice(index + 1, index + 1 + countTags(block));
      for (const part of [block, ...copies]) register = crc32BigEndianRaw(part, register);
      index += copies.length;
    } else if (type === COMMIT) {
      if (block[0xc] === 1) writeU32be(block, 0x10, register);
      register = ALL_ONES;
    }
  }
}

/** Tags of eight bytes, with a UUID behind the first of them. */
function countTags(descriptor: Uint8Array): number {
  let count = 0;
  for (let at = 12; at + 8 <= descriptor.length;) {
    const flags = readU16be(descriptor, at + 6);
    count += 1;
    if ((flags & 8) !== 0) break;
    at += 8 + ((flags & 2) === 0 ? 16 : 0);
  }
  return count;
}

/** @returns the register, which goes on into the next block when no tail ended the commit */
function repairFastCommits(block: Uint8Array, register: number): number {
  let sum = register;
  for (let at = 0; at + 4 <= block.length;) {
    const end = at + 4 + readU16le(block, at + 2);
    if (end > block.length) return 0;
    if (readU16le(block, at) === FAST_COMMIT_TAIL && end - at >= 12) {
      writeU32le(block, at + 8, crc32cRaw(block.subarray(at, at + 8), sum));
      sum = 0;
    } else {
      sum = crc32cRaw(block.subarray(at, end), sum);
    }
    at = end;
  }
  return sum;
}
