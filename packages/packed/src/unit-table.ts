/** Units of a packed file that can be decoded each for itself: where they lie, and what they hold. */
import { DiskError } from '@diskfile/bytes';
import type { Limits } from '@diskfile/core';

/** Three numbers a unit. */
const BYTES_PER_UNIT = 24;

export class UnitTable {
  readonly #maxUnits: number;
  #guestStarts = new Float64Array(64);
  #hostOffsets = new Float64Array(64);
  #hostLengths = new Float64Array(64);
  #count = 0;
  /** Longest content and longest encoded form of a unit. */
  maxContentBytes = 0;
  maxHostBytes = 0;
  /** Where the content ends. */
  sizeBytes = 0;

  constructor({ maxStructureBytes }: Limits) {
    this.#maxUnits = Math.floor(maxStructureBytes / BYTES_PER_UNIT);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds the unit that comes next; one without content is left out. */
  add(hostOffset: number, hostBytes: number, contentBytes: number): void {
    if (contentBytes === 0) return;
    if (this.#count === this.#maxUnits) throw tooManyUnits(this.#maxUnits);
    if (this.#count === this.#guestStarts.length) this.#grow();
    this.#guestStarts[this.#count] = this.sizeBytes;
    this.#hostOffsets[this.#count] = hostOffset;
    this.#hostLengths[this.#count] = hostBytes;
    this.#count += 1;
    this.sizeBytes += contentBytes;
    this.maxContentBytes = Math.max(this.maxContentBytes, contentBytes);
    this.maxHostBytes = Math.max(this.maxHostBytes, hostBytes);
    if (!Number.isSafeInteger(this.sizeBytes)) throw tooLarge(hostOffset);
  }

  #grow(): void {
    const grown = (from: Float64Array) => {
      const to = new Float64Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.#guestStarts = grown(this.#guestStarts);
    this.#hostOffsets = grown(this.#hostOffsets);
    this.#hostLengths = grown(this.#hostLengths);
  }

  /** The unit that holds a byte of the content. */
  indexOf(guestOffset: number): number {
    let low = 0;
    let high = this.#count;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#guestStarts[middle]! <= guestOffset) low = middle;
      else high = middle;
    }
    return low;
  }

  guestStart(index: number): number {
    return this.#guestStarts[index]!;
  }

  contentBytes(index: number): number {
    const end = index + 1 < this.#count ? this.#guestStarts[index + 1]! : this.sizeBytes;
    return end - this.#guestStarts[index]!;
  }

  hostOffset(index: number): number {
    return this.#hostOffsets[index]!;
  }

  hostBytes(index: number): number {
    return this.#hostLengths[index]!;
  }
}

function tooManyUnits(maxUnits: number): DiskError {
  return new DiskError(
    'limit',
    'packed.units',
    `The file consists of more than ${maxUnits} pieces`,
    { hint: 'Raise limits.maxStructureBytes if the file can be trusted.' },
  );
}

function tooLarge(offset: number): DiskError {
  return new DiskError('corrupt', 'packed.size', 'The content is longer than anything can be', {
    offset,
  });
}
