/**
 * Who may write when, and when space that a flush has freed may be used again: the write lock and
 * the reads under way, together with the end of both when the disk is closed.
 */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import { ReadEpochs } from './read-epochs.ts';
import { ReadGuard } from './read-guard.ts';
import { type Hold, type LockRange, WHOLE_DISK, WriteLock } from './write-lock.ts';

export class WriteTurns {
  readonly epochs = new ReadEpochs();
  readonly guard: ReadGuard;
  readonly #lock = new WriteLock();
  readonly #reclaim: () => void;
  /** Flushes whose reads have ended, and that the format has not been told of yet. */
  #reclaimable = 0;
  #closed = false;

  /**
   * @param reclaim called for each flush whose freed space may be used again
   * @param sectorBytes what requests always concern whole
   */
  constructor(reclaim: () => void, sectorBytes = 1) {
    this.#reclaim = reclaim;
    this.guard = new ReadGuard(sectorBytes);
  }

  /** Whether a write is under way or waits. */
  get isBusy(): boolean {
    return this.#lock.isBusy;
  }

  /** See {@link WriteLock.hold}. @throws DiskError `invalid-argument` when the disk is closed */
  *hold(range: LockRange, guest = range): Step<Hold> {
    const hold = yield* this.#lock.hold(range, guest);
    if (!this.#closed) return hold;
    this.#lock.release(hold);
    throw closed();
  }

  /** Waits until nobody else writes. */
  *widen(hold: Hold): Step<void> {
    yield* this.#lock.widen(hold);
    this.allowReuse();
  }

  /** See {@link WriteLock.takeAlong}. */
  takeAlong(isWanted: (hold: Hold) => boolean): Hold[] {
    return this.#lock.takeAlong(isWanted);
  }

  /** See {@link WriteLock.dismiss}. */
  dismiss(hold: Hold): void {
    this.#lock.dismiss(hold);
  }

  release(hold: Hold): void {
    this.#lock.release(hold);
  }

  /**
   * Runs what changes tables: alone, after every write that came before.
   * @param guest what the request concerns
   */
  *exclusive<T>(body: () => Step<T>, guest = WHOLE_DISK): Step<T> {
    const hold = yield* this.hold(WHOLE_DISK, guest);
    try {
      this.allowReuse();
      return yield* body();
    } finally {
      this.#lock.release(hold);
    }
  }

  /** See {@link WriteLock.reserve}. */
  reserve(guest: LockRange): Hold {
    return this.#lock.reserve(guest);
  }

  /** Runs what was prepared at a reserved place: alone, when its turn has come. */
  *takeTurn(hold: Hold, body: () => Step<void>): Step<void> {
    yield* this.#lock.enter(hold);
    if (this.#closed) throw closed();
    this.allowReuse();
    yield* body();
    this.#lock.stepBack(hold);
  }

  /**
   * A flush has succeeded: what it freed can be used again when the reads of now have ended.
   * @param onUnused called at that time
   */
  flushed(onUnused: () => void): void {
    this.epochs.afterCurrentReads(() => {
      this.#reclaimable += 1;
      onUnused();
    });
  }

  /** Lets freed space be used again. Only done alone: an allocation is never surprised by it. */
  allowReuse(): void {
    for (; this.#reclaimable > 0; this.#reclaimable -= 1) this.#reclaim();
  }

  /** Every request that has not had its turn is refused from now on. */
  close(): void {
    this.#closed = true;
  }
}

function closed(): DiskError {
  return new DiskError('invalid-argument', 'disk.closed', 'The disk has been closed');
}
