/** Slices of L2 tables in memory: found in constant time, bounded in bytes. */

/** A run of L2 entries as they lie in the file, and the guest bytes that they map. */
export interface TableSlice {
  /** Which of the slices of the disk; also its key. */
  readonly index: number;
  readonly startGuestOffset: number;
  readonly endGuestOffset: number;
  /** Where it was read from, for errors. */
  readonly hostOffset: number;
  readonly entries: DataView<ArrayBuffer>;
  /** Set on use, cleared when the cache looks for something to drop. */
  recentlyUsed: boolean;
}

/**
 * Drops by the clock algorithm: a hand goes round and takes the first slice that was not used since
 * it last came by. Near enough to least recently used, and a hit only sets a flag.
 */
export class TableCache {
  readonly #capacity: number;
  readonly #slices = new Map<number, TableSlice>();
  readonly #ring: TableSlice[] = [];
  #hand = 0;
  #last: TableSlice | undefined;

  /** @param capacity slices to keep, at least 1. */
  constructor(capacity: number) {
    this.#capacity = Math.max(1, capacity);
  }

  /** The slice last found, when it maps `guestOffset`: what sequential access needs. */
  findLast(guestOffset: number): TableSlice | undefined {
    const last = this.#last;
    if (last === undefined || guestOffset < last.startGuestOffset) return undefined;
    return guestOffset < last.endGuestOffset ? last : undefined;
  }

  find(index: number): TableSlice | undefined {
    const slice = this.#slices.get(index);
    if (slice === undefined) return undefined;
    slice.recentlyUsed = true;
    this.#last = slice;
    return slice;
  }

  add(slice: TableSlice): void {
    // Loads that overlap in time may bring in the same slice twice.
    if (this.#slices.has(slice.index)) return;
    this.evictWhenFull();
    this.#slices.set(slice.index, slice);
    this.#ring.push(slice);
  }

  /**
   * Drops a slice when there is no room for one more, and returns its bytes to be filled anew.
   * Nobody looks at them any longer: a lookup is over before anything else can run.
   */
  evictWhenFull(): ArrayBuffer | undefined {
    if (this.#ring.length < this.#capacity) return undefined;
    let candidate = this.#ring[this.#hand]!;
    while (candidate.recentlyUsed) {
      candidate.recentlyUsed = false;
      this.#hand = (this.#hand + 1) % this.#ring.length;
      candidate = this.#ring[this.#hand]!;
    }
    const moved = this.#ring.pop()!;
    if (moved !== candidate) this.#ring[this.#hand] = moved;
    if (this.#hand === this.#ring.length) this.#hand = 0;
    this.#slices.delete(candidate.index);
    if (this.#last === candidate) this.#last = undefined;
    return candidate.entries.buffer;
  }
}
