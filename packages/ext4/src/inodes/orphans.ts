/**
 * Orphans ("Orphan file"): inodes that were unlinked while still open, or whose truncation was not
 * finished. Mounting frees their space, so after a replay it counts as free.
 */
import { readU16le, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { BlockRun, findRun } from '../blocks/block-map.ts';
import { COMPAT, RO_COMPAT } from '../features.ts';
import { hasFlag, INODE_FLAG } from './inode-flags.ts';
import { type Inode, parseInode } from './inode.ts';
import { ext4_inode, MAX_FILE_BLOCKS } from '../structs.ts';
import type { FreeCounts } from '../usage.ts';
import { openBlockMap, type VolumeParts } from '../volume-parts.ts';
import { readWholeFile } from '../blocks/whole-file.ts';

/** Orphans that are looked at; a guest has as many as files that are open and deleted. */
const MAX_ORPHANS = 65_536;
const MAX_ORPHAN_FILE_BYTES = 16 * 1024 * 1024;
/** Runs of blocks past the ends of files that are counted, of all orphans together. */
const MAX_RUNS = 100_000;
/** At the end of each block of the orphan file: ob_magic and ob_checksum. */
const ORPHAN_BLOCK_TAIL_BYTES = 8;

/** What freeing the orphans gives back. */
export function* readOrphanSpace(parts: VolumeParts): Step<FreeCounts> {
  let freeBlocks = 0;
  let freeInodes = 0;
  const budget = { runs: MAX_RUNS };
  for (const number of yield* orphanNumbers(parts)) {
    const record = yield* parts.inodes.record(number);
    const { superblock, report } = parts;
    const inode = parseInode(record, number, superblock, report, { verifyChecksum: false });
    if (linkCount(inode) === 0) {
      freeBlocks += Math.floor(inode.allocatedBytes / superblock.blockBytes);
      freeInodes += 1;
    } else {
      freeBlocks += yield* blocksPastEnd(inode, parts, budget);
    }
  }
  return { freeBlocks, freeInodes };
}

function* orphanNumbers(parts: VolumeParts): Step<Set<number>> {
  const { features, fields, inodeCount } = parts.superblock;
  const numbers = new Set<number>();
  let next = fields.s_last_orphan;
  while (next >= 1 && next <= inodeCount && !numbers.has(next) && numbers.size < MAX_ORPHANS) {
    numbers.add(next);
    // The deletion time of an orphan is the number of the next one.
    next = readU32le(yield* parts.inodes.record(next), ext4_inode.i_dtime);
  }
  const present =
    features.hasCompat(COMPAT.ORPHAN_FILE) && features.hasRoCompat(RO_COMPAT.ORPHAN_PRESENT);
  if (present) yield* addFromOrphanFile(numbers, parts);
  return numbers;
}

function* addFromOrphanFile(numbers: Set<number>, parts: VolumeParts): Step<void> {
  const { fields, blockBytes, inodeCount } = parts.superblock;
  const file = yield* parts.inodes.read(fields.s_orphan_file_inum);
  if (file.type !== 'file' || file.sizeBytes > MAX_ORPHAN_FILE_BYTES) return;
  const bytes = yield* readWholeFile(file, parts);
  for (let block = 0; block + blockBytes <= bytes.length; block += blockBytes) {
    for (let at = block; at < block + blockBytes - ORPHAN_BLOCK_TAIL_BYTES; at += 4) {
      const number = readU32le(bytes, at);
      if (number === 0 || number > inodeCount || numbers.size >= MAX_ORPHANS) continue;
      numbers.add(number);
    }
  }
}

function linkCount({ record }: Inode): number {
  return readU16le(record, ext4_inode.i_links_count);
}

function* blocksPastEnd(inode: Inode, parts: VolumeParts, budget: { runs: number }): Step<number> {
  if (inode.type !== 'file' || hasFlag(inode.flags, INODE_FLAG.INLINE_DATA)) return 0;
  const map = openBlockMap(inode, parts);
  const run = new BlockRun();
  let blocks = 0;
  let fileBlock = Math.ceil(inode.sizeBytes / parts.superblock.blockBytes);
  while (fileBlock < map.blockLimit && budget.runs > 0) {
    budget.runs -= 1;
    yield* findRun(map, fileBlock, MAX_FILE_BLOCKS, run);
    if (run.kind !== 'hole') blocks += run.blockCount;
    fileBlock += run.blockCount;
  }
  return blocks;
}
