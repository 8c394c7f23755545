/**
 * What replaying a journal would write: for each block its newest copy, which stays where it is in
 * the log. The blocks are not held in memory.
 */

/** Stands for "no overlaid block at or after this one". */
const NONE = Infinity;

export class JournalOverlay {
  /** Filesystem blocks that are replaced, ascending. */
  readonly #blocks: Float64Array;
  /** Filesystem blocks of the log that hold their content. */
  readonly #logBlocks: Float64Array;
  /** 1 where the first four bytes of the copy are zeros in place of the journal's magic number. */
  readonly #escaped: Uint8Array;

  /** @param blocks ascending and without duplicates; the other arrays go with it */
  constructor(blocks: Float64Array, logBlocks: Float64Array, escaped: Uint8Array) {
    this.#blocks = blocks;
    this.#logBlocks = logBlocks;
    this.#escaped = escaped;
  }

  static readonly empty = new JournalOverlay(
    new Float64Array(),
    new Float64Array(),
    new Uint8Array(),
  );

  get size(): number {
    return this.#blocks.length;
  }

  /** Index of the first overlaid block that is not below `block`; `size` when there is none. */
  indexFrom(block: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#blocks[middle]! < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The overlaid block at an index; infinity past the last one. */
  blockAt(index: number): number {
    return this.#blocks[index] ?? NONE;
  }

  /** Where the content of the overlaid block at an index is. */
  logBlockAt(index: number): number {
    return this.#logBlocks[index]!;
  }

  isEscapedAt(index: number): boolean {
    return this.#escaped[index] === 1;
  }
}
