/**
 * Keeps reads apart in time from changes of the same bytes where they lie. Hosts do not: they copy
 * the bytes of a request in any pieces, and on the file systems of Linux (seen on ext4 and on tmpfs)
 * a read beside a write of the same sector can return parts of both. A disk never does that to its
 * guest, so whichever of the two came first is over before the other begins.
 *
 * Data that is written to new space needs none of this: a read looks up either the old place or the
 * new one. Nor do changes need to be kept from each other here; the write lock does that.
 */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import type { LockRange } from './write-lock.ts';

/** One read or change of a range; to others it is opaque. */
export interface GuardedTurn extends LockRange {
  /** How many earlier ones it waits for. */
  waitsFor: number;
  /** Those that wait for this one. */
  waiting: GuardedTurn[] | undefined;
  granted: (() => void) | undefined;
}

export class ReadGuard {
  /** Under way or waiting, both of them. */
  readonly #reads = new Set<GuardedTurn>();
  readonly #changes = new Set<GuardedTurn>();
  readonly #sectorBytes: number;

  /** @param sectorBytes what reads and changes always concern whole */
  constructor(sectorBytes = 1) {
    this.#sectorBytes = sectorBytes;
  }

  /** A read comes. {@link turn} and {@link leave} have to follow. */
  enterRead(start: number, end: number): GuardedTurn {
    return this.#enter(start, end, this.#reads, this.#changes);
  }

  /**
   * A change comes. {@link turn} and {@link leave} have to follow, and in between it neither enters
   * once more nor waits for the write lock: a read in between would wait for it, and it for that.
   */
  enterChange(start: number, end: number): GuardedTurn {
    return this.#enter(start, end, this.#changes, this.#reads);
  }

  /** Waits until all that came before and overlaps is over. */
  *turn(turn: GuardedTurn): Step<void> {
    if (turn.waitsFor === 0) return;
    yield {
      runSync: () => {
        throw pending();
      },
      run: () => whenGranted(turn),
    };
  }

  leave(turn: GuardedTurn): void {
    if (!this.#reads.delete(turn)) this.#changes.delete(turn);
    if (turn.waiting === undefined) return;
    for (const next of turn.waiting) {
      next.waitsFor -= 1;
      if (next.waitsFor === 0) next.granted?.();
    }
  }

  /** Runs what changes bytes where they lie, when no read of them is under way. */
  *change<T>(start: number, end: number, body: () => Step<T>): Step<T> {
    const turn = this.enterChange(start, end);
    try {
      if (turn.waitsFor > 0) yield* this.turn(turn);
      return yield* body();
    } finally {
      this.leave(turn);
    }
  }

  /**
   * For a read that is over before anything else can run, and so need not enter.
   * @throws DiskError `busy` while an asynchronous change of the range is under way
   */
  checkSyncRead(start: number, end: number): void {
    const sectorsEnd = alignUp(end, this.#sectorBytes);
    for (const change of this.#changes) {
      if (start < change.end && change.start < sectorsEnd) throw pending();
    }
  }

  #enter(
    from: number,
    to: number,
    own: Set<GuardedTurn>,
    others: ReadonlySet<GuardedTurn>,
  ): GuardedTurn {
    const start = alignDown(from, this.#sectorBytes);
    const end = to === Infinity ? to : alignUp(to, this.#sectorBytes);
    const turn: GuardedTurn = { start, end, waitsFor: 0, waiting: undefined, granted: undefined };
    for (const other of others) {
      if (start >= other.end || other.start >= end) continue;
      (other.waiting ??= []).push(turn);
      turn.waitsFor += 1;
    }
    own.add(turn);
    return turn;
  }
}

/** Waits as {@link ReadGuard.turn} does, for callers that are not steps. */
export function whenGranted(turn: GuardedTurn): Promise<void> {
  return new Promise((resolve) => {
    turn.granted = resolve;
  });
}

function pending(): DiskError {
  return new DiskError(
    'busy',
    'disk.async-request-pending',
    'An asynchronous request on the same bytes is under way, and a synchronous one cannot wait for it',
    { hint: 'Await the asynchronous requests first.' },
  );
}
