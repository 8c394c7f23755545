/** Ranges of a file that fast commits mapped or unmapped, on top of its block map on disk. */
import type { Step } from '@diskfile/core';
import type { BlockMap, BlockRun, RunKind } from '../block-map.ts';

interface Range {
  readonly fileBlock: number;
  readonly endFileBlock: number;
  readonly kind: RunKind;
  readonly physicalBlock: number;
}

export class RangeOverlay {
  /** Ascending, not overlapping. */
  readonly #ranges: Range[] = [];

  get count(): number {
    return this.#ranges.length;
  }

  /** Puts a range in place of all that was said about its blocks. */
  set(fileBlock: number, blockCount: number, kind: RunKind, physicalBlock: number): void {
    const endFileBlock = fileBlock + blockCount;
    const first = this.#indexAfter(fileBlock);
    let last = first;
    while (last < this.#ranges.length && this.#ranges[last]!.fileBlock < endFileBlock) last += 1;
    const replaced = this.#ranges.slice(first, last);
    const rest: Range[] = [{ fileBlock, endFileBlock, kind, physicalBlock }];
    const left = replaced[0];
    if (left !== undefined && left.fileBlock < fileBlock) {
      rest.unshift({ ...left, endFileBlock: fileBlock });
    }
    const right = replaced.at(-1);
    if (right !== undefined && right.endFileBlock > endFileBlock) {
      const physical = right.physicalBlock + (endFileBlock - right.fileBlock);
      rest.push({ ...right, fileBlock: endFileBlock, physicalBlock: physical });
    }
    this.#ranges.splice(first, last - first, ...rest);
  }

  /** The range that holds a block, or the next one; undefined when there is none. */
  from(fileBlock: number): Range | undefined {
    return this.#ranges[this.#indexAfter(fileBlock)];
  }

  /** Index of the first range that ends after a block. */
  #indexAfter(fileBlock: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ranges[middle]!.endFileBlock <= fileBlock) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The block map of a file that fast commits changed. */
export class OverlaidMap implements BlockMap {
  readonly blockLimit: number;
  readonly #ranges: RangeOverlay;
  readonly #below: BlockMap;

  constructor(ranges: RangeOverlay, below: BlockMap) {
    this.#ranges = ranges;
    this.#below = below;
    this.blockLimit = below.blockLimit;
  }

  find(fileBlock: number, maxBlocks: number, run: BlockRun): boolean {
    const range = this.#ranges.from(fileBlock);
    if (range === undefined) return this.#below.find(fileBlock, maxBlocks, run);
    if (range.fileBlock > fileBlock) {
      return this.#below.find(fileBlock, Math.min(maxBlocks, range.fileBlock - fileBlock), run);
    }
    const blockCount = Math.min(maxBlocks, range.endFileBlock - fileBlock);
    if (range.kind === 'hole') run.setHole(blockCount);
    else run.setMapped(range.kind, range.physicalBlock + (fileBlock - range.fileBlock), blockCount);
    return true;
  }

  *load(fileBlock: number): Step<void> {
    const range = this.#ranges.from(fileBlock);
    if (range !== undefined && range.fileBlock <= fileBlock) return;
    yield* this.#below.load(fileBlock);
  }
}
