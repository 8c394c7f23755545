/** Slices of L2 tables in memory: found in constant time, bounded in bytes. */
import type { DirtyRange } from '@diskfile/core';

/** A run of L2 entries as they lie in the file, and the guest bytes that they map. */
export interface TableSlice {
  /** Which of the slices of the disk; also its key. */
  readonly index: number;
  readonly startGuestOffset: number;
  readonly endGuestOffset: number;
  /** Where it lies in the image file; changes when its table moves. */
  hostOffset: number;
  /** What of it the file does not have yet. It stays in the cache until it has. */
  readonly dirty: DirtyRange;
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
  #ring: TableSlice[] = [];
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

  dirtySlices(): TableSlice[] {
    return this.#ring.filter(({ dirty }) => !dirty.isEmpty);
  }

  /**
   * Drops a slice when there is no room for one more, and returns its bytes to be filled anew.
   * Nobody looks at them any longer: a lookup is over before anything else can run. Where all
   * slices are dirty the cache grows; whoever makes them dirty bounds how many there are.
   */
  evictWhenFull(): ArrayBuffer | undefined {
    if (this.#ring.length < this.#capacity) return undefined;
    const candidate = this.#findUnused();
    if (candidate === undefined) return undefined;
    const moved = this.#ring.pop()!;
    if (moved !== candidate) this.#ring[this.#hand] = moved;
    if (this.#hand === this.#ring.length) this.#hand = 0;
    this.#slices.delete(candidate.index);
    if (this.#last === candidate) this.#last = undefined;
    return candidate.entries.buffer;
  }

  /** Drops all slices that `isGone` says are, dirty ones too. @returns how many of them were dirty */
  drop(isGone: (slice: TableSlice) => boolean): number {
    const gone = this.#ring.filter(isGone);
    if (gone.length === 0) return 0;
    for (const { index } of gone) this.#slices.delete(index);
    const kept = this.#ring.filter(({ index }) => this.#slices.has(index));
    this.#ring = kept;
    this.#hand = 0;
    this.#last = undefined;
    return gone.filter(({ dirty }) => !dirty.isEmpty).length;
  }

  /** Moves the hand on to a clean slice that was not used since it last came by. */
  #findUnused(): TableSlice | undefined {
    // In two rounds every mark is cleared and seen to be so.
    for (let steps = 0; steps < this.#ring.length * 2; steps++) {
      const candidate = this.#ring[this.#hand]!;
      if (!candidate.recentlyUsed && candidate.dirty.isEmpty) return candidate;
      candidate.recentlyUsed = false;
      this.#hand = (this.#hand + 1) % this.#ring.length;
    }
    return undefined;
  }
}
