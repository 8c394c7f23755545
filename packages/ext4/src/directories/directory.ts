/** Reading a directory from its first block to its last. */
import type { DirectoryCursor, DirectoryEntry, Step } from '@diskfile/core';
import { type BlockMap, BlockRun, findRun } from '../blocks/block-map.ts';
import {
  type DirectoryContext,
  parseDirectoryEntries,
  verifyDirectoryBlock,
} from './directory-block.ts';
import { hasFlag, INODE_FLAG } from '../inodes/inode-flags.ts';
import { inlineDirectoryRuns } from '../inodes/inline-data.ts';
import type { Inode } from '../inodes/inode.ts';
import type { NameChanges } from '../journal/name-changes.ts';
import { atOffset } from '../report.ts';
import { openBlockMap, type VolumeParts } from '../volume-parts.ts';

/** Blocks that one directory may have: at 4 KiB each, room for a hundred million names. */
const MAX_DIRECTORY_BLOCKS = 2 ** 21;
/** Blocks that are asked for at once; the reader decides how many it takes. */
const BLOCKS_AHEAD = 32;

/** @param inode a directory that is not encrypted */
export function openCursor(inode: Inode, parts: VolumeParts): DirectoryCursor {
  const cursor = hasFlag(inode.flags, INODE_FLAG.INLINE_DATA)
    ? new InlineCursor(inode, parts)
    : new BlockCursor(inode, parts);
  const changes = parts.fastCommits.namesOf(inode.number);
  return changes === undefined ? cursor : new ChangedCursor(cursor, changes, parts);
}

class InlineCursor implements DirectoryCursor {
  readonly #runs: Uint8Array[];
  readonly #context: DirectoryContext;
  #next = 0;

  constructor(inode: Inode, parts: VolumeParts) {
    const { superblock, report } = parts;
    this.#context = { inode, superblock, report };
    this.#runs = inlineDirectoryRuns(inode, parts);
  }

  *next(): Step<readonly DirectoryEntry[] | undefined> {
    const run = this.#runs[this.#next];
    if (run === undefined) return undefined;
    this.#next += 1;
    return parseDirectoryEntries(run, `inline run ${this.#next}`, this.#context);
  }
}

class BlockCursor implements DirectoryCursor {
  readonly #parts: VolumeParts;
  readonly #context: DirectoryContext;
  readonly #map: BlockMap;
  readonly #run = new BlockRun();
  readonly #blockCount: number;
  readonly #blocksSeen = new Set<number>();
  #fileBlock = 0;

  constructor(inode: Inode, parts: VolumeParts) {
    const { superblock, report } = parts;
    this.#parts = parts;
    this.#context = { inode, superblock, report };
    this.#map = openBlockMap(inode, parts);
    this.#blockCount = Math.ceil(inode.sizeBytes / superblock.blockBytes);
  }

  *next(): Step<readonly DirectoryEntry[] | undefined> {
    while (this.#fileBlock < this.#blockCount) {
      const run = this.#run;
      yield* findRun(this.#map, this.#fileBlock, this.#blockCount - this.#fileBlock, run);
      if (run.kind !== 'data') {
        this.#skipHole(run.blockCount);
        continue;
      }
      const block = run.physicalBlock;
      this.#see(block);
      const following = Math.min(run.blockCount, BLOCKS_AHEAD) - 1;
      this.#fileBlock += 1;
      const bytes = yield* this.#parts.reader.read(block, following);
      return atOffset(block * this.#parts.reader.blockBytes, () => {
        verifyDirectoryBlock(bytes, block, this.#context);
        return parseDirectoryEntries(bytes, `block ${block}`, this.#context);
      });
    }
    return undefined;
  }

  /** Directories have no holes, but those that fast commits made have blocks only in the log. */
  #skipHole(blockCount: number): void {
    const { inode, report } = this.#context;
    if (!this.#parts.fastCommits.records.has(inode.number)) {
      report.damage(
        'directory-hole',
        `Directory ${inode.number} has no block ${this.#fileBlock}; its entries are missing`,
      );
    }
    this.#fileBlock += blockCount;
  }

  /** No block belongs to a directory twice: names cannot take more memory than the disk has. */
  #see(block: number): void {
    const { inode, report } = this.#context;
    if (this.#blocksSeen.has(block)) {
      throw report.corrupt(
        'directory-block-twice',
        `Directory ${inode.number} has block ${block} in more than one place`,
      );
    }
    this.#blocksSeen.add(block);
    if (this.#blocksSeen.size <= MAX_DIRECTORY_BLOCKS) return;
    throw report.limit(
      'directory-too-large',
      `Directory ${inode.number} has more than ${MAX_DIRECTORY_BLOCKS} blocks`,
    );
  }
}

/** A directory as fast commits left it: entries of the disk that are still there, then new ones. */
class ChangedCursor implements DirectoryCursor {
  readonly #onDisk: DirectoryCursor;
  readonly #changes: NameChanges;
  readonly #parts: VolumeParts;
  readonly #pending: Set<string>;
  #atEnd = false;

  constructor(onDisk: DirectoryCursor, changes: NameChanges, parts: VolumeParts) {
    this.#onDisk = onDisk;
    this.#changes = changes;
    this.#parts = parts;
    this.#pending = new Set(changes.names());
  }

  *next(): Step<readonly DirectoryEntry[] | undefined> {
    if (this.#atEnd) return undefined;
    const entries = yield* this.#onDisk.next();
    if (entries === undefined) {
      this.#atEnd = true;
      return yield* this.#newEntries();
    }
    const kept: DirectoryEntry[] = [];
    for (const entry of entries) {
      this.#pending.delete(entry.name);
      const inode = this.#changes.apply(entry.name, entry.inode);
      if (inode === entry.inode) kept.push(entry);
      else if (inode !== undefined) kept.push(yield* this.#entry(entry.name, inode));
    }
    return kept;
  }

  *#newEntries(): Step<readonly DirectoryEntry[]> {
    const entries: DirectoryEntry[] = [];
    for (const name of this.#pending) {
      const inode = this.#changes.apply(name, undefined);
      if (inode !== undefined) entries.push(yield* this.#entry(name, inode));
    }
    return entries;
  }

  *#entry(name: string, inode: number): Step<DirectoryEntry> {
    const { type } = yield* this.#parts.inodes.read(inode);
    return { name, inode, type };
  }
}
