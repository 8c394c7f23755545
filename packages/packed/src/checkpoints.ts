/** Places found on the way at which a pass can begin again, bounded in memory. */
import type { PassSource, PassStart } from './pass.ts';

export interface Checkpoint extends PassStart {
  /** What it takes in memory, about. */
  readonly sizeBytes: number;
}

const FIRST_SPACING_BYTES = 1024 * 1024;
/** Of the objects around what a checkpoint keeps. */
const OVERHEAD_BYTES = 256;

/** As evenly spaced as memory allows: when that is full, every other one is dropped. */
export class Checkpoints implements PassSource {
  readonly #capacityBytes: number;
  /** In ascending order. The first one is the start of the content and never dropped. */
  #places: Checkpoint[];
  #usedBytes = 0;
  #spacingBytes = FIRST_SPACING_BYTES;

  constructor(start: PassStart, capacityBytes: number) {
    this.#places = [{ offset: start.offset, start: () => start.start(), sizeBytes: 0 }];
    this.#capacityBytes = capacityBytes;
  }

  get count(): number {
    return this.#places.length;
  }

  /** Whether a checkpoint here would be kept. */
  wants(offset: number): boolean {
    return offset >= this.#places.at(-1)!.offset + this.#spacingBytes;
  }

  add(checkpoint: Checkpoint): void {
    this.#places.push(checkpoint);
    this.#usedBytes += checkpoint.sizeBytes + OVERHEAD_BYTES;
    while (this.#usedBytes > this.#capacityBytes && this.#places.length > 1) this.#thinOut();
  }

  #thinOut(): void {
    this.#places = this.#places.filter((_, index) => index % 2 === 0);
    this.#spacingBytes *= 2;
    this.#usedBytes = this.#places.reduce((sum, each) => sum + each.sizeBytes + OVERHEAD_BYTES, 0);
  }

  startBefore(offset: number): PassStart {
    let low = 0;
    let high = this.#places.length;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#places[middle]!.offset <= offset) low = middle;
      else high = middle;
    }
    return this.#places[low]!;
  }
}
