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
const NOTHING: LockRange = { start: 0, end: 0 };

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
  readonly #waiting: Hold[] = [];
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
    yield* this.#enter(hold, hold.guest);
  }

  /** Back to preparing, at the same place in the order. */
  stepBack(hold: Hold): void {
    this.#held.delete(hold);
    this.#reserved.add(hold);
    this.#grant(hold.range);
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
    const givenUp = hold.range;
    hold.range = WHOLE_DISK;
    yield* this.#enter(hold, givenUp);
  }

  /**
   * Takes those out of the queue that wait for the whole disk right behind its holder, as far as
   * `isWanted` goes: their work is done within the holder's turn. {@link dismiss} has to follow.
   */
  takeAlong(isWanted: (hold: Hold) => boolean): Hold[] {
    const end = this.#waiting.findIndex(
      (hold) => hold.range !== WHOLE_DISK || this.#isBehindReserved(hold) || !isWanted(hold),
    );
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** Lets one go on that was taken along. It holds nothing. */
  dismiss(hold: Hold): void {
    hold.range = NOTHING;
    hold.granted();
  }

  release(hold: Hold): void {
    this.#held.delete(hold);
    this.#reserved.delete(hold);
    this.#grant(hold.range);
  }

  /** @param givenUp what the request has just let go of */
  *#enter(hold: Hold, givenUp?: LockRange): Step<void> {
    const place = this.#placeOf(hold);
    if (!this.#isKeptBack(hold, place)) {
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
          this.#waiting.splice(place, 0, hold);
          if (givenUp !== undefined) this.#grant(givenUp);
        }),
    };
  }

  /** How many of those that wait came before. */
  #placeOf({ arrival }: Hold): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#waiting[middle]!.arrival < arrival) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param place how many of those that wait go before it */
  #isKeptBack(hold: Hold, place: number): boolean {
    const { range } = hold;
    if (range === WHOLE_DISK && (place > 0 || this.#held.size > 0)) return true;
    // Neighbours in time are often neighbours on the disk, so the latest are looked at first.
    for (let index = place - 1; index >= 0; index--) {
      if (overlap(range, this.#waiting[index]!.range)) return true;
    }
    for (const held of this.#held) if (overlap(range, held.range)) return true;
    return this.#isBehindReserved(hold);
  }

  #isBehindReserved({ arrival, guest }: Hold): boolean {
    for (const reserved of this.#reserved) {
      if (reserved.arrival < arrival && overlap(reserved.guest, guest)) return true;
    }
    return false;
  }

  /**
   * Grants what waited for a range that has been given up, in order of arrival. Very many may wait,
   * so no more of them are looked at than it can concern.
   */
  #grant(givenUp: LockRange): void {
    if (givenUp === NOTHING) return;
    const waiting = this.#waiting;
    let kept = 0;
    let index = 0;
    for (let isOver = false; index < waiting.length && !isOver; index++) {
      const hold = waiting[index]!;
      const concerned = overlap(hold.range, givenUp);
      if (concerned && !this.#isKeptBack(hold, kept)) {
        this.#held.add(hold);
        hold.granted();
      } else {
        waiting[kept] = hold;
        kept += 1;
      }
      // Whatever else waited for that range now waits for this one.
      isOver = concerned && hold.range.start <= givenUp.start && hold.range.end >= givenUp.end;
    }
    waiting.splice(kept, index - kept);
  }
}

function overlap(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}
