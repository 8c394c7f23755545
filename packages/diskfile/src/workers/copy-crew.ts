/** Worker threads that copy, and the hands that they lend to a {@link CopyRun}. */
import type { Worker } from 'node:worker_threads';
import { type HostCall, hostCall, type SharedFile, type Step } from '@diskfile/core';
import {
  type CopyHand,
  type FlatPlace,
  type PreparedData,
  STORE_FIELDS,
  type StorePlan,
} from '../convert/copy-hand.ts';
import type { GuestRanges } from '../convert/copy-requests.ts';
import type { UnreadableRange } from '../convert/salvage.ts';
import { fromErrorMessage } from './error-message.ts';
import type { CopyAnswer, CopyOrder, CopyOutcome, CopyStart } from './worker-messages.ts';
import { startWorker, workerDied } from './worker-start.ts';

/** While one job of a worker waits for its place, the other one is worked on. */
const HANDS_PER_WORKER = 2;

/** A hand of a worker that may not have started yet. */
export interface LentHand {
  readonly hand: CopyHand;
  /** Returns when it can be used, or never will; {@link isUsable} tells. */
  readonly begin: HostCall;
  readonly isUsable: () => boolean;
}

export interface CrewOrder extends Pick<CopyStart, 'descriptors' | 'settings'> {
  /** What errors call the work. */
  readonly path: string;
  readonly files: readonly SharedFile[];
  /** Called when a worker that was at work ends by itself. */
  readonly onFailure: (error: unknown) => void;
}

/** Its hands are there from the beginning, and can be used some time after it was started. */
export class CopyCrew {
  readonly hands: readonly LentHand[];
  readonly #order: CrewOrder;
  readonly #members: readonly CrewMember[];
  #isStarted = false;

  constructor(count: number, order: CrewOrder) {
    const { path, files, onFailure } = order;
    const members = Array.from(
      { length: count },
      () => new CrewMember((cause) => onFailure(workerDied(path, cause))),
    );
    this.#order = order;
    this.#members = members;
    this.hands = members.flatMap((member) =>
      Array.from({ length: HANDS_PER_WORKER }, (_, number) => ({
        hand: new RemoteHand(member, number, files),
        begin: { runSync: noSync, run: () => member.started },
        isUsable: () => member.isReady,
      })),
    );
  }

  /** Starts the workers, once. Those that the host does not let start are done without. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { path, descriptors, settings } = this.#order;
    const files = this.#order.files.map(({ fd }) => ({ fd, name: path }));
    const start = { role: 'copy', descriptors, settings, files, hands: HANDS_PER_WORKER } as const;
    for (const member of this.#members) member.start(start);
  }

  /** Whether a worker has started. */
  get isReady(): boolean {
    return this.#members.some(({ isReady }) => isReady);
  }

  /** There is no more work: nobody need wait for workers that have not started yet. */
  dismiss(): void {
    for (const member of this.#members) member.dismiss();
  }

  /** Ends all workers, whatever they are at, and fails what was asked of them. */
  async close(reason: unknown): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close(reason)));
  }
}

interface Asked {
  readonly resolve: (outcome: CopyOutcome) => void;
  readonly reject: (reason: unknown) => void;
}

/** One worker, seen from here. */
class CrewMember {
  /** Settles when the worker is ready, or will not be. */
  readonly started: Promise<void>;
  isReady = false;
  #settle: () => void = () => {};
  #worker: Worker | undefined;
  readonly #onDeath: (cause: unknown) => void;
  readonly #asked = new Map<number, Asked>();
  /** There once the worker is being ended. */
  #closing: { readonly reason: unknown } | undefined;

  constructor(onDeath: (cause: unknown) => void) {
    this.#onDeath = onDeath;
    this.started = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  start(start: CopyStart): void {
    if (this.#closing !== undefined) return;
    const worker = startWorker(start);
    if (worker === undefined) return this.#settle();
    this.#worker = worker;
    worker.on('message', (answer: CopyAnswer) => this.#take(answer));
    worker.on('error', (cause) => this.#lose(cause));
    worker.on('exit', (exitCode) => this.#lose(new Error(`exit code ${exitCode}`)));
  }

  ask(order: CopyOrder): Promise<CopyOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) return reject(this.#closing.reason);
      this.#asked.set(order.hand, { resolve, reject });
      this.#worker!.postMessage(order);
    });
  }

  #take({ hand, outcome, error }: CopyAnswer): void {
    if (!this.isReady && error === undefined) {
      this.isReady = true;
      this.#settle();
      return;
    }
    const asked = this.#asked.get(hand);
    this.#asked.delete(hand);
    if (error === undefined) asked?.resolve(outcome);
    else if (asked !== undefined) asked.reject(fromErrorMessage(error));
    else this.#onDeath(fromErrorMessage(error));
  }

  #lose(cause: unknown): void {
    this.#settle();
    if (this.#closing === undefined && this.isReady) this.#onDeath(cause);
  }

  dismiss(): void {
    this.#settle();
  }

  async close(reason: unknown): Promise<void> {
    this.#closing ??= { reason };
    this.#settle();
    await this.#worker?.terminate();
    for (const { reject } of this.#asked.values()) reject(this.#closing.reason);
    this.#asked.clear();
  }
}

/** A hand on another thread. It answers later, so that there is no synchronous form. */
class RemoteHand implements CopyHand {
  readonly #member: CrewMember;
  readonly #number: number;
  readonly #files: readonly SharedFile[];

  constructor(member: CrewMember, number: number, files: readonly SharedFile[]) {
    this.#member = member;
    this.#number = number;
    this.#files = files;
  }

  *prepare(ranges: GuestRanges): Step<PreparedData> {
    const order = { hand: this.#number, op: 'prepare', ranges } as const;
    return (yield* hostCall(noSync, () => this.#member.ask(order))) as PreparedData;
  }

  *store(plan: StorePlan): Step<void> {
    const order = { hand: this.#number, op: 'store', plan } as const;
    yield* hostCall(noSync, () => this.#member.ask(order));
    const { stores } = plan;
    for (let at = 0; at < stores.length; at += STORE_FIELDS) {
      this.#files[stores[at]!]!.wroteUpTo(stores[at + 1]! + stores[at + 4]!);
    }
  }

  *prepareAndStore(ranges: GuestRanges, place: FlatPlace): Step<readonly UnreadableRange[]> {
    const order = { hand: this.#number, op: 'prepareAndStore', ranges, place } as const;
    return (yield* hostCall(noSync, () => this.#member.ask(order))) as readonly UnreadableRange[];
  }
}

function noSync(): never {
  throw new Error('assertion failed: workers are not waited for');
}
