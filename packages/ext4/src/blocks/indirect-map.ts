/** The block map of ext2 and ext3: direct, indirect, double and triple indirect blocks. */
import { readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { BlockMap, BlockRun } from './block-map.ts';
import type { BlockReader } from './block-reader.ts';
import type { Inode } from '../inodes/inode.ts';
import { KeptTables } from './kept-tables.ts';
import { MAX_FILE_BLOCKS } from '../structs.ts';

const DIRECT_BLOCKS = 12;
const POINTER_BYTES = 4;
const MAX_LEVELS = 3;

/** The table, or the inode, in which the search for a block goes on. */
interface Position {
  /** How many levels of tables are below the pointer. */
  level: number;
  /** The pointer to them; 0 where there are none. */
  pointer: number;
  /** Which of the file blocks below that pointer is wanted. */
  within: number;
}

export class IndirectMap implements BlockMap {
  readonly blockLimit: number;
  readonly #inode: Inode;
  readonly #reader: BlockReader;
  readonly #firstBlock: number;
  readonly #pointersPerBlock: number;
  readonly #tables = new KeptTables<Uint8Array>();
  /** The table of data pointers of the last answer, and the file block that it begins with. */
  #leaf: Uint8Array | undefined;
  #leafFileBlock = 0;
  readonly #position: Position = { level: 0, pointer: 0, within: 0 };

  /** @param firstBlock the first block that can hold data */
  constructor(inode: Inode, firstBlock: number, reader: BlockReader) {
    this.#inode = inode;
    this.#reader = reader;
    this.#firstBlock = firstBlock;
    const perBlock = reader.blockBytes / POINTER_BYTES;
    this.#pointersPerBlock = perBlock;
    const reach = DIRECT_BLOCKS + perBlock + perBlock ** 2 + perBlock ** 3;
    this.blockLimit = Math.min(MAX_FILE_BLOCKS, reach);
  }

  find(fileBlock: number, maxBlocks: number, run: BlockRun): boolean {
    if (fileBlock < DIRECT_BLOCKS) {
      this.#fillRun(this.#inode.blockField, DIRECT_BLOCKS, fileBlock, maxBlocks, run);
      return true;
    }
    const inLeaf = fileBlock - this.#leafFileBlock;
    if (this.#leaf !== undefined && inLeaf >= 0 && inLeaf < this.#pointersPerBlock) {
      this.#fillRun(this.#leaf, this.#pointersPerBlock, inLeaf, maxBlocks, run);
      return true;
    }
    const position = this.#start(fileBlock);
    while (position.pointer !== 0) {
      const table = this.#tables.get(this.#checked(position.pointer));
      if (table === undefined) return false;
      if (position.level === 1) {
        this.#leaf = table;
        this.#leafFileBlock = fileBlock - position.within;
        this.#fillRun(table, this.#pointersPerBlock, position.within, maxBlocks, run);
        return true;
      }
      this.#descend(position, table);
    }
    const below = this.#pointersPerBlock ** position.level;
    run.setHole(Math.min(maxBlocks, below - position.within));
    return true;
  }

  *load(fileBlock: number): Step<void> {
    if (fileBlock < DIRECT_BLOCKS) return;
    const path: { block: number; table: Uint8Array }[] = [];
    const position = { ...this.#start(fileBlock) };
    while (position.pointer !== 0) {
      const block = this.#checked(position.pointer);
      const table = this.#tables.get(block) ?? (yield* this.#reader.read(block));
      path.push({ block, table });
      if (position.level === 1) break;
      this.#descend(position, table);
    }
    // All at once, because other readers of this file may have pushed some out meanwhile.
    for (const { block, table } of path) this.#tables.set(block, table);
  }

  /** The pointer of the inode below which a file block is found. */
  #start(fileBlock: number): Position {
    const position = this.#position;
    position.within = fileBlock - DIRECT_BLOCKS;
    position.level = 1;
    let span = this.#pointersPerBlock;
    while (position.level < MAX_LEVELS && position.within >= span) {
      position.within -= span;
      span *= this.#pointersPerBlock;
      position.level += 1;
    }
    const index = DIRECT_BLOCKS + position.level - 1;
    position.pointer = readU32le(this.#inode.blockField, index * POINTER_BYTES);
    return position;
  }

  #descend(position: Position, table: Uint8Array): void {
    position.level -= 1;
    const span = this.#pointersPerBlock ** position.level;
    const index = Math.floor(position.within / span);
    position.within %= span;
    position.pointer = readU32le(table, index * POINTER_BYTES);
  }

  /** Fills `run` from a table of pointers to data, neighbours merged. */
  #fillRun(
    table: Uint8Array,
    pointerCount: number,
    index: number,
    maxBlocks: number,
    run: BlockRun,
  ): void {
    const first = readU32le(table, index * POINTER_BYTES);
    const end = Math.min(pointerCount, index + maxBlocks);
    let next = index + 1;
    if (first === 0) {
      while (next < end && readU32le(table, next * POINTER_BYTES) === 0) next += 1;
      run.setHole(next - index);
      return;
    }
    this.#checked(first);
    let expected = first + 1;
    while (
      next < end &&
      expected < this.#reader.blockCount &&
      readU32le(table, next * POINTER_BYTES) === expected
    ) {
      next += 1;
      expected += 1;
    }
    run.setMapped('data', first, next - index);
  }

  #checked(block: number): number {
    if (block >= this.#firstBlock && block < this.#reader.blockCount) return block;
    throw this.#reader.report.corrupt(
      'block-pointer',
      `Inode ${this.#inode.number} points at block ${block} of ${this.#reader.blockCount}`,
    );
  }
}
