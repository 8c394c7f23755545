/** Which parts of a file grains of a disk take, to notice when two want the same. */
import { countUpTo, DiskError } from '@diskfile/bytes';
import { ClusterSet, type Limits } from '@diskfile/core';

const NUMBER_BYTES = 8;

export class GrainPlaces {
  readonly #grainBytes: number;
  readonly #maxStrays: number;
  /** Grains that begin a whole number of grains from the first one, by that number. */
  readonly #regular: ClusterSet;
  /** Where the others begin: some, where two programs with different habits have written. */
  readonly #strays: number[] = [];
  /** How far behind a multiple of its length the first grain begins. */
  #skip: number | undefined;

  constructor(grainBytes: number, { maxStructureBytes }: Limits) {
    this.#grainBytes = grainBytes;
    this.#maxStrays = Math.floor(maxStructureBytes / NUMBER_BYTES);
    this.#regular = new ClusterSet(maxStructureBytes);
  }

  /**
   * @returns false when the grain is surely not alone in its place; {@link overlaps} tells the rest
   * @throws DiskError `limit` when it takes too much memory
   */
  add(hostOffset: number): boolean {
    const skip = hostOffset % this.#grainBytes;
    this.#skip ??= skip;
    if (skip === this.#skip) return this.#regular.add(this.#numberOf(hostOffset)) === 0;
    if (this.#strays.length === this.#maxStrays) throw tooManyStrays(this.#maxStrays);
    this.#strays.push(hostOffset);
    return true;
  }

  /** Where grains begin that share bytes with others, once all have been added. */
  *overlaps(): Generator<number> {
    this.#strays.sort((one, other) => one - other);
    let end = 0;
    for (const start of this.#strays) {
      const before = this.#numberOf(start);
      const isTaken = this.#regular.has(before) || this.#regular.has(before + 1);
      if (isTaken || start < end) yield start;
      end = start + this.#grainBytes;
    }
  }

  /** Whether a grain takes any of some bytes, once {@link overlaps} has found that none share any. */
  touches(hostOffset: number, lengthBytes: number): boolean {
    if (this.#skip === undefined) return false;
    const end = hostOffset + lengthBytes;
    const last = this.#numberOf(end - 1);
    for (let number = Math.max(0, this.#numberOf(hostOffset)); number <= last; number++) {
      if (this.#regular.has(number)) return true;
    }
    // Overlaps have left them in order.
    const next = this.#strays[countUpTo(this.#strays, hostOffset - this.#grainBytes)];
    return next !== undefined && next < end;
  }

  /** Number of the last place of regular grains that begins at `hostOffset` or before; not below 0. */
  #numberOf(hostOffset: number): number {
    return Math.floor((hostOffset - this.#skip!) / this.#grainBytes) + 1;
  }
}

function tooManyStrays(most: number): DiskError {
  return new DiskError(
    'limit',
    'vmdk.stray-grains',
    `More than ${most} grains lie out of line with the others`,
    { hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
