/** Inodes by number. */
import { readU16le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { BlockReader } from '../blocks/block-reader.ts';
import type { GroupTable } from '../group-descriptor.ts';
import { type Inode, parseInode } from './inode.ts';
import { atOffset, type Report } from '../report.ts';
import type { Superblock } from '../superblock.ts';
import { ext4_inode } from '../structs.ts';

/** Inodes that are kept: a file is looked at several times in a row. Each holds on to a block. */
const MAX_KEPT_INODES = 256;

export class InodeTable {
  readonly #superblock: Superblock;
  readonly #groups: GroupTable;
  readonly #reader: BlockReader;
  readonly #report: Report;
  /** Records that fast commits put in place of those on disk. */
  readonly #replaced: ReadonlyMap<number, Uint8Array>;
  readonly #inodes = new Map<number, Inode>();

  constructor(
    superblock: Superblock,
    groups: GroupTable,
    reader: BlockReader,
    report: Report,
    replaced: ReadonlyMap<number, Uint8Array> = new Map(),
  ) {
    this.#superblock = superblock;
    this.#groups = groups;
    this.#reader = reader;
    this.#report = report;
    this.#replaced = replaced;
  }

  /**
   * An inode that is in use.
   * @throws DiskError `invalid-argument` for a number that no inode can have, `corrupt` for one
   *   that is free
   */
  *read(number: number): Step<Inode> {
    const kept = this.#inodes.get(number);
    if (kept !== undefined) return kept;
    const replaced = this.#replaced.get(number);
    const { record, offset } = yield* this.#locate(number);
    const inode = atOffset(offset, () => {
      this.#checkInUse(replaced ?? record, number);
      const options = { verifyChecksum: replaced === undefined };
      return parseInode(replaced ?? record, number, this.#superblock, this.#report, options);
    });
    if (this.#inodes.size >= MAX_KEPT_INODES) this.#inodes.clear();
    this.#inodes.set(number, inode);
    return inode;
  }

  /** Whether an inode can have this number; what an image says of inodes is checked by this. */
  has(number: number): boolean {
    return Number.isInteger(number) && number >= 1 && number <= this.#superblock.inodeCount;
  }

  /** The bytes of an inode on disk, used or not; not to be written into. */
  *record(number: number): Step<Uint8Array> {
    return (yield* this.#locate(number)).record;
  }

  *#locate(number: number): Step<{ record: Uint8Array; offset: number }> {
    const { inodesPerGroup, inodeBytes, blockBytes } = this.#superblock;
    this.#checkNumber(number);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const { inodeTableBlock } = this.#groups.cached(group) ?? (yield* this.#groups.read(group));
    const index = (number - 1) % inodesPerGroup;
    const perBlock = blockBytes / inodeBytes;
    const tableBlocks = Math.ceil(inodesPerGroup / perBlock);
    const tableBlock = Math.floor(index / perBlock);
    const block = inodeTableBlock + tableBlock;
    const bytes =
      this.#reader.cached(block) ?? (yield* this.#reader.read(block, tableBlocks - tableBlock - 1));
    const at = (index % perBlock) * inodeBytes;
    return { record: bytes.subarray(at, at + inodeBytes), offset: block * blockBytes + at };
  }

  #checkNumber(number: number): void {
    if (this.has(number)) return;
    throw this.#report.invalidInode(number, this.#superblock.inodeCount);
  }

  #checkInUse(record: Uint8Array, number: number): void {
    const mode = readU16le(record, ext4_inode.i_mode);
    const links = readU16le(record, ext4_inode.i_links_count);
    if (mode !== 0 && links !== 0) return;
    throw this.#report.freeInode(number);
  }
}
