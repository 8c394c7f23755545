/**
 * The order of writes on one disk. Overwriting in place changes no table, so such writes run side
 * by side as long as their ranges do not overlap. Whatever changes tables runs alone. Requests
 * that conflict run in the order in which they came, so that parallel writers see their work done
 * one after another. Reads take no lock.
 *
 * A request that has much to prepare reserves its place in that order, and enters when it is ready.
 * Until then it keeps back only those that come later and concern the same part of the disk.
 */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';

/** A guest range, or the whole disk. */
export interface LockRange {
  readonly start: number;
  readonly end: number;
}

export const WHOLE_DISK: LockRange = { start: 0, end: Infinity };

/** One request's place in the order; to others it is opaque. */
export interface Hold {
  readonly arrival: number;
  /** What the request concerns. */
  readonly guest: LockRange;
  /** What it keeps others off. */
  range: LockRange;
  granted: () => void;
}

export class WriteLock {
  readonly #held = new Set<Hold>();
  /** In order of arrival. */
  #waiting: Hold[] = [];
  /** Those that prepare. */
  readonly #reserved = new Set<Hold>();
  #arrivals = 0;

  /** Whether any request holds the lock, waits for it, or has reserved its place. */
  get isBusy(): boolean {
    return this.#held.size > 0 || this.#waiting.length > 0 || this.#reserved.size > 0;
  }

  /**
   * Waits for every earlier request that overlaps. {@link release} has to follow.
   * @param guest what the request concerns, where that is less than what it keeps others off
   */
  *hold(range: LockRange, guest = range): Step<Hold> {
    const hold = this.#newHold(range, guest);
    yield* this.#enter(hold);
    return hold;
  }

  /** Takes a place in the order, and holds nothing yet. {@link release} has to follow. */
  reserve(guest: LockRange): Hold {
    const hold = this.#newHold(WHOLE_DISK, guest);
    this.#reserved.add(hold);
    return hold;
  }

  /** Waits for its turn with what was reserved: alone, until it steps back or is released. */
  *enter(hold: Hold): Step<void> {
    this.#reserved.delete(hold);
    yield* this.#enter(hold);
  }

  /** Back to preparing, at the same place in the order. */
  stepBack(hold: Hold): void {
    this.#held.delete(hold);
    this.#reserved.add(hold);
    this.#grant();
  }

  #newHold(range: LockRange, guest: LockRange): Hold {
    const hold: Hold = { arrival: this.#arrivals, guest, range, granted: () => {} };
    this.#arrivals += 1;
    return hold;
  }

  /**
   * Extends what is held to the whole disk. Requests that came later stay behind this one, except
   * those that run already: it waits for them. {@link release} has to follow even when this fails.
   */
  *widen(hold: Hold): Step<void> {
    // Given up meanwhile: of two requests that widen, each would wait for the other.
    this.#held.delete(hold);
    hold.range = WHOLE_DISK;
    yield* this.#enter(hold);
  }

  release(hold: Hold): void {
    this.#held.delete(hold);
    this.#reserved.delete(hold);
    this.#grant();
  }

  *#enter(hold: Hold): Step<void> {
    const earlier = this.#waiting.filter(({ arrival }) => arrival < hold.arrival);
    if (!this.#isKeptBack(hold, earlier)) {
      this.#held.add(hold);
      return;
    }
    yield {
      runSync: () => {
        throw new DiskError(
          'busy',
          'disk.async-write-pending',
          'An asynchronous write is under way, and a synchronous one cannot wait for it',
          { hint: 'Await the asynchronous writes first.' },
        );
      },
      run: () =>
        new Promise<void>((resolve) => {
          hold.granted = resolve;
          this.#waiting.splice(earlier.length, 0, hold);
          this.#grant();
        }),
    };
  }

  /** @param earlier those that wait before it */
  #isKeptBack(hold: Hold, earlier: Iterable<Hold>): boolean {
    if (overlapsAny(hold, this.#held) || overlapsAny(hold, earlier)) return true;
    for (const { arrival, guest } of this.#reserved) {
      if (arrival < hold.arrival && overlap(guest, hold.guest)) return true;
    }
    return false;
  }

  /** Grants every waiting request that overlaps nothing held and nothing that waits before it. */
  #grant(): void {
    const blocked: Hold[] = [];
    for (const [index, hold] of this.#waiting.entries()) {
      if (this.#isKeptBack(hold, blocked)) {
        blocked.push(hold);
        if (hold.range !== WHOLE_DISK) continue;
        // All others overlap this one.
        this.#waiting = [...blocked, ...this.#waiting.slice(index + 1)];
        return;
      }
      this.#held.add(hold);
      hold.granted();
    }
    this.#waiting = blocked;
  }
}

function overlapsAny({ range }: Hold, others: Iterable<Hold>): boolean {
  for (const { range: other } of others) {
    if (overlap(range, other)) return true;
  }
  return false;
}

function overlap(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}
