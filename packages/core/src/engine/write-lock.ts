/**
 * The order of writes on one disk. Overwriting in place changes no table, so such writes run side
 * by side as long as their ranges do not overlap. Whatever changes tables runs alone. Requests
 * that conflict run in the order in which they came, so that parallel writers see their work done
 * one after another. Reads take no lock.
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
  range: LockRange;
  granted: () => void;
}

export class WriteLock {
  readonly #held = new Set<Hold>();
  /** In order of arrival. */
  #waiting: Hold[] = [];
  #arrivals = 0;

  /** Whether any request holds the lock or waits for it. */
  get isBusy(): boolean {
    return this.#held.size > 0 || this.#waiting.length > 0;
  }

  /** Waits for every earlier request that overlaps. {@link release} has to follow. */
  *hold(range: LockRange): Step<Hold> {
    const hold: Hold = { arrival: this.#arrivals, range, granted: () => {} };
    this.#arrivals += 1;
    yield* this.#enter(hold);
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
    this.#grant();
  }

  *#enter(hold: Hold): Step<void> {
    const earlier = this.#waiting.filter(({ arrival }) => arrival < hold.arrival);
    if (!overlapsAny(hold, this.#held) && !overlapsAny(hold, earlier)) {
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

  /** Grants every waiting request that overlaps nothing held and nothing that waits before it. */
  #grant(): void {
    const blocked: Hold[] = [];
    for (const [index, hold] of this.#waiting.entries()) {
      if (overlapsAny(hold, this.#held) || overlapsAny(hold, blocked)) {
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
    if (range.start < other.end && other.start < range.end) return true;
  }
  return false;
}
