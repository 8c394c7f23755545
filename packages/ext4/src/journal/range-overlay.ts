/** Ranges of a file that fast commits mapped or unmapped, on top of its block map on disk. */
import type { Step } from '@diskfile/core';
import type { BlockMap, BlockRun, RunKind } from '../blocks/block-map.ts';

interface Range {
  readonly fileBlock: number;
  readonly endFileBlock: number;
  readonly kind: RunKind;
  readonly physicalBlock: number;
}

/** Ranges in the order of the log; a later one takes the place of all that was said about its blocks. */
export class RangeOverlay {
  readonly #changes: Range[] = [];
  /** What they come to: ascending, not overlapping. Worked out when first asked for. */
  #ranges: readonly Range[] | undefined;

  /** How often {@link set} was called. */
  get count(): number {
    return this.#changes.length;
  }

  set(fileBlock: number, blockCount: number, kind: RunKind, physicalBlock: number): void {
    const endFileBlock = fileBlock + blockCount;
    this.#changes.push({ fileBlock, endFileBlock, kind, physicalBlock });
    this.#ranges = undefined;
  }

  /** The range that holds a block, or the next one; undefined when there is none. */
  from(fileBlock: number): Range | undefined {
    this.#ranges ??= outcome(this.#changes);
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ranges[middle]!.endFileBlock <= fileBlock) low = middle + 1;
      else high = middle;
    }
    return this.#ranges[low];
  }
}

/**
 * What is left of ranges of which later ones cover earlier ones. Goes over the file once and knows
 * at each place which of the ranges there is the latest.
 */
function outcome(changes: readonly Range[]): Range[] {
  const byStart = changes
    .map((_, order) => order)
    .toSorted((a, b) => changes[a]!.fileBlock - changes[b]!.fileBlock);
  const bounds = [...new Set(changes.flatMap((range) => [range.fileBlock, range.endFileBlock]))];
  const open = new LatestFirst();
  const ranges: Range[] = [];
  let next = 0;
  let latest: Range | undefined;
  for (const bound of Float64Array.from(bounds).toSorted()) {
    for (; next < byStart.length && changes[byStart[next]!]!.fileBlock === bound; next++) {
      open.add(byStart[next]!);
    }
    while (open.latest !== undefined && changes[open.latest]!.endFileBlock <= bound) {
      open.drop();
    }
    const now = open.latest === undefined ? undefined : changes[open.latest]!;
    if (now === latest) continue;
    if (latest !== undefined) endAt(ranges, bound);
    if (now !== undefined) ranges.push(startingAt(now, bound));
    latest = now;
  }
  return ranges;
}

function endAt(ranges: Range[], endFileBlock: number): void {
  ranges.push({ ...ranges.pop()!, endFileBlock });
}

function startingAt(range: Range, fileBlock: number): Range {
  const physicalBlock = range.physicalBlock + (fileBlock - range.fileBlock);
  return { ...range, fileBlock, physicalBlock };
}

/** Numbers of which the largest is at hand: a binary heap. */
class LatestFirst {
  readonly #heap: number[] = [];

  get latest(): number | undefined {
    return this.#heap[0];
  }

  add(order: number): void {
    let at = this.#heap.length;
    this.#heap.push(order);
    while (at > 0) {
      const parent = Math.floor((at - 1) / 2);
      if (this.#heap[parent]! >= order) break;
      this.#heap[at] = this.#heap[parent]!;
      at = parent;
    }
    this.#heap[at] = order;
  }

  /** Takes the largest out. */
  drop(): void {
    const order = this.#heap.pop();
    if (order === undefined || this.#heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1]! > this.#heap[child]!) child += 1;
      if (this.#heap[child]! <= order) break;
      this.#heap[at] = this.#heap[child]!;
      at = child;
    }
    this.#heap[at] = order;
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
