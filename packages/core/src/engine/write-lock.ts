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

export interface Hold extends LockRange {
  readonly granted: () => void;
}

export class WriteLock {
  readonly #held = new Set<Hold>();
  readonly #waiting: Hold[] = [];

  /** Waits for every earlier request that overlaps. {@link release} has to follow. */
  *hold(range: LockRange): Step<Hold> {
    if (this.#held.size === 0 && this.#waiting.length === 0) {
      const hold = { ...range, granted: () => {} };
      this.#held.add(hold);
      return hold;
    }
    let granted = (): void => {};
    const isGranted = new Promise<void>((resolve) => {
      granted = resolve;
    });
    const hold: Hold = { ...range, granted };
    this.#waiting.push(hold);
    this.#grant();
    if (!this.#held.has(hold)) {
      yield {
        runSync: () => {
          this.#waiting.splice(this.#waiting.indexOf(hold), 1);
          throw new DiskError(
            'busy',
            'disk.async-write-pending',
            'An asynchronous write is under way, and a synchronous one cannot wait for it',
            { hint: 'Await the asynchronous writes first.' },
          );
        },
        run: () => isGranted,
      };
    }
    return hold;
  }

  release(hold: Hold): void {
    this.#held.delete(hold);
    this.#grant();
  }

  /** Grants every waiting request that overlaps nothing held and nothing that waits before it. */
  #grant(): void {
    for (let index = 0; index < this.#waiting.length; index++) {
      const hold = this.#waiting[index]!;
      const earlier = this.#waiting.slice(0, index);
      if ([...this.#held, ...earlier].some((other) => overlaps(hold, other))) continue;
      this.#waiting.splice(index, 1);
      index -= 1;
      this.#held.add(hold);
      hold.granted();
    }
  }
}

function overlaps(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}
