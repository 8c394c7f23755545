/**
 * Copies the bytes of one disk to another. Lanes take jobs in turn and work on them side by side:
 * reading, looking for zeros and compressing as it comes, placing in the order of the disk, so that
 * the target is laid out as if one job had been done after the other.
 */
import { setImmediate } from 'node:timers/promises';
import {
  type DiskFile,
  hostCall,
  type HostCall,
  ParallelCalls,
  type Step,
  stepCall,
} from '@diskfile/core';
import { asking } from '../chain/failed-request.ts';
import type { CopyHand } from './copy-hand.ts';
import type { GuestRanges } from './copy-requests.ts';
import type { CopyItem, CopyJob, CopyPlan } from './copy-plan.ts';
import type { CopyTarget } from './copy-target.ts';
import type { RateLimit } from './rate-limit.ts';
import type { UnreadableRange } from './salvage.ts';
import { TurnGate } from './turn-gate.ts';

/** Zeros that are made at a time, so that the work can be called off in between. */
const ZERO_BYTES = 256 * 1024 * 1024;

/** Work from memory never waits, and then nothing else on this thread would get a turn. */
const LET_OTHERS: HostCall = { runSync: () => {}, run: () => setImmediate() };

export interface CopyRunOptions {
  /** Whether data is placed as it comes. */
  readonly outOfOrder: boolean;
  /** Whether space behind zeros that are written may be given back. */
  readonly mayUnmap: boolean;
  readonly rateLimit: RateLimit | undefined;
  /**
   * Called at the start, and with each job that is done, in the order of the disk; may throw to call
   * the work off.
   */
  readonly reached: (doneBytes: number, items: readonly CopyItem[]) => void;
  /** Called with each job before it is worked on. */
  readonly taken: (job: CopyJob) => void;
  /** Called when the last job has been taken. */
  readonly drained: () => void;
}

export interface Lane {
  readonly hand: CopyHand;
  /** Comes before the first job, where the hand has to be waited for. */
  readonly begin?: HostCall;
  /** Whether the hand is to do another job; always when left out. */
  readonly isUsable?: () => boolean;
}

export class CopyRun {
  readonly unreadable: UnreadableRange[] = [];
  readonly #plan: CopyPlan;
  readonly #disk: DiskFile;
  readonly #target: CopyTarget;
  readonly #options: CopyRunOptions;
  readonly #planning = new TurnGate();
  readonly #placing = new TurnGate();
  #tickets = 0;
  #placed = 0;
  /** Jobs that wait for others before them to be done. */
  readonly #finished = new Map<number, CopyJob>();
  #told = 0;
  #doneBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  /** @param disk the target as a disk, for making zeros */
  constructor(plan: CopyPlan, disk: DiskFile, target: CopyTarget, options: CopyRunOptions) {
    this.#plan = plan;
    this.#disk = disk;
    this.#target = target;
    this.#options = options;
  }

  /** Does all jobs. Nothing is under way any more when it returns or fails. */
  *run(lanes: readonly Lane[]): Step<void> {
    this.#options.reached(0, []);
    yield new ParallelCalls(lanes.map((lane) => stepCall(() => this.#workAll(lane))));
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends the run early. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#planning.fail(this.#failure.error);
    this.#placing.fail(this.#failure.error);
  }

  *#workAll({ hand, begin, isUsable }: Lane): Step<void> {
    try {
      if (begin !== undefined) yield begin;
      for (;;) {
        if (this.#failure !== undefined || isUsable?.() === false) return;
        const ticket = this.#tickets;
        this.#tickets += 1;
        yield this.#planning.enter(ticket);
        const job = yield* this.#plan.next();
        this.#planning.leave();
        if (job === undefined) return this.#options.drained();
        this.#options.taken(job);
        yield* this.#work(hand, job, ticket);
        this.#finished.set(ticket, job);
        if (this.#failure === undefined) this.#tellInOrder();
        yield LET_OTHERS;
      }
    } catch (error) {
      this.fail(error);
      // Nobody has to wait for work that will not come.
      this.#options.drained();
    }
  }

  #tellInOrder(): void {
    for (;;) {
      const job = this.#finished.get(this.#told);
      if (job === undefined) return;
      this.#finished.delete(this.#told);
      this.#told += 1;
      this.#doneBytes += job.coveredBytes;
      this.#options.reached(this.#doneBytes, job.items);
    }
  }

  *#work(hand: CopyHand, job: CopyJob, ticket: number): Step<void> {
    const { rateLimit } = this.#options;
    const { flat } = this.#target;
    if (rateLimit !== undefined && job.dataBytes > 0) yield rateLimit.pass(job.dataBytes);
    const ranges = dataRanges(job.items);
    if (flat !== undefined) {
      if (ranges.length > 0) {
        this.unreadable.push(...(yield* hand.prepareAndStore(ranges, flat)));
      }
      for (const item of job.items) if (item.kind === 'zero') yield* this.#makeZero(item);
      return;
    }
    const prepared = ranges.length > 0 ? yield* hand.prepare(ranges) : undefined;
    yield this.#placing.enter(this.#options.outOfOrder ? this.#placed++ : ticket);
    for (const item of job.items) if (item.kind === 'zero') yield* this.#makeZero(item);
    const plan = prepared && (yield* this.#target.place(prepared, ranges));
    if (plan !== undefined && this.#target.storesInOrder) yield* hand.store(plan);
    this.#placing.leave();
    if (prepared !== undefined) this.unreadable.push(...prepared.unreadable);
    if (plan !== undefined && !this.#target.storesInOrder) yield* hand.store(plan);
  }

  *#makeZero({ guestOffset, lengthBytes }: CopyItem): Step<void> {
    const options = { mayUnmap: this.#options.mayUnmap };
    for (let done = 0; done < lengthBytes; done += ZERO_BYTES) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const at = guestOffset + done;
      const length = Math.min(ZERO_BYTES, lengthBytes - done);
      const zeroing = hostCall(
        () => this.#disk.writeZeroesSync(at, length, options),
        () => this.#disk.writeZeroes(at, length, options),
      );
      yield* asking({ request: 'write', guestOffset: at }, zeroing);
    }
  }
}

/** The data of a job, for a hand. */
function dataRanges(items: readonly CopyItem[]): GuestRanges {
  const data = items.filter(({ kind }) => kind === 'data');
  return Float64Array.from(
    data.flatMap(({ guestOffset, lengthBytes }) => [guestOffset, lengthBytes]),
  );
}
