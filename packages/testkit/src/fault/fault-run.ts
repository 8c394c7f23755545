/** Lets every single operation of a workload's host fail, and looks at what comes of it. */
import { DiskError } from '@diskfile/bytes';
import { Expectation } from '../crash/expectation.ts';
import { findDisk } from '../crash/found-disk.ts';
import { brokenPromise } from '../crash/promises.ts';
import { type PreparedDisk, prepare, RecordedFiles } from '../crash/recorded-files.ts';
import type { Workload, WorkloadStep } from '../crash/workload.ts';
import type { DiskModel } from '../model/disk-model.ts';
import { dirtyRangesOf, DiskTrial } from '../model/disk-trial.ts';
import { Mismatch } from '../model/mismatch.ts';
import type { Operation } from '../model/operation.ts';
import { Reopen } from '../model/operations/handles.ts';
import { adoptOutcome, statesOf } from '../model/outcome.ts';
import { crashStates } from '../storage/crash-states.ts';
import { type FaultPlan, Faults, FaultStorage } from '../storage/fault-storage.ts';

/** How many operations fail until a lasting fault ends: until space is freed. */
const FAILURES_UNTIL_HEALED = 3;

export type FaultKind = Omit<FaultPlan, 'failAt'>;

export const FAULT_KINDS: readonly FaultKind[] = [
  { errno: 'EIO' },
  { errno: 'ENOSPC' },
  { errno: 'EIO', lasting: true },
  { errno: 'ENOSPC', lasting: true },
];

export interface FaultRunOptions {
  readonly seed: number;
  /** States of a loss of power to look at after each failure; 0 for none. */
  readonly crashStates: number;
}

export interface FaultReport {
  /** Runs of the workload, each with a fault at another operation of its host. */
  readonly runs: number;
  /** Operations on the disk that failed. */
  readonly failures: number;
  /** States of a loss of power that were looked at. */
  readonly crashes: number;
  readonly violations: readonly string[];
}

/** Runs the workload again and again, until the fault comes later than its last operation. */
export function runFaults(
  workload: Workload,
  kind: FaultKind,
  options: FaultRunOptions,
): FaultReport {
  const prepared = prepare(workload);
  const violations: string[] = [];
  let failures = 0;
  let crashes = 0;
  for (let failAt = 1; ; failAt++) {
    const run = new FaultRun(workload, prepared, new Faults({ ...kind, failAt }), options);
    try {
      run.run();
    } catch (error) {
      const { stack, message } = error as Error;
      const how = kind.lasting === true ? ' from then on' : '';
      const text = error instanceof Mismatch ? message : stack;
      violations.push(`${workload.name}, ${kind.errno} at ${failAt}${how}: ${text}`);
    }
    if (run.faults === 0) return { runs: failAt - 1, failures, crashes, violations };
    failures += run.failures;
    crashes += run.crashes;
  }
}

class FaultRun {
  failures = 0;
  crashes = 0;
  readonly #workload: Workload;
  readonly #options: FaultRunOptions;
  readonly #faults: Faults;
  readonly #recorded: RecordedFiles;
  readonly #begin: DiskModel;
  readonly #steps: WorkloadStep[] = [];
  #model: DiskModel;
  #trial: DiskTrial;

  constructor(
    workload: Workload,
    { files, begin }: PreparedDisk,
    faults: Faults,
    options: FaultRunOptions,
  ) {
    this.#workload = workload;
    this.#options = options;
    this.#faults = faults;
    this.#begin = begin;
    this.#model = begin;
    this.#recorded = new RecordedFiles(files, {
      before: (storage) => new FaultStorage(storage, faults),
    });
    this.#trial = this.#open();
  }

  /** Faults that the host has had. */
  get faults(): number {
    return this.#faults.faults;
  }

  /** Opens the disk; when that fails, it has to work once the host does. */
  #open(): DiskTrial {
    const { subject } = this.#workload;
    try {
      return new DiskTrial(subject, this.#recorded.files);
    } catch (error) {
      expectFault(error);
      this.failures += 1;
      this.#faults.heal();
      const trial = new DiskTrial(subject, this.#recorded.files);
      this.#model = this.#begin.clone();
      dropLostBitmaps(trial, this.#model);
      return trial;
    }
  }

  run(): void {
    for (const operation of this.#workload.operations) this.#perform(operation);
    this.#faults.heal();
    this.#trial.disk.flushSync();
    this.#trial.expectAll(this.#model);
    this.#perform(new Reopen());
    this.#trial.expectAll(this.#model);
    this.#trial.close();
    const { errors } = this.#workload.subject.verify(this.#recorded.files);
    if (errors.length > 0) throw new Mismatch(`the image is damaged: ${errors.join('; ')}`);
  }

  #perform(operation: Operation): void {
    const model = this.#model;
    if (operation.isPossible?.(model) === false) return;
    const start = this.#recorded.now;
    try {
      operation.perform(this.#trial, model);
    } catch (error) {
      if (operation.mayBeRefused?.(model) === true && !isFault(error)) return;
      expectFault(error);
      this.#failed(operation, start);
      return;
    }
    const after = model.clone();
    const contents = this.#faults.paused(() => adoptOutcome(after, operation, this.#trial));
    this.#model = after;
    this.#steps.push({ operation, start, end: this.#recorded.now, after, contents });
  }

  /** The disk has to be as it was, or with a part of the operation done that may be done alone. */
  #failed(operation: Operation, start: number): void {
    this.failures += 1;
    const after = this.#model.clone();
    const contents = statesOf(after, operation);
    const step = { operation, start, end: Infinity, after, contents };
    this.#expectSafe([...this.#steps, step]);
    if (this.failures === FAILURES_UNTIL_HEALED) this.#faults.heal();
    if (operation instanceof Reopen) {
      this.#faults.heal();
      this.#model = this.#openAgain([...this.#steps, step]);
    } else {
      this.#model = this.#faults.paused(() => this.#seen(step));
    }
    const states = [...contents, this.#model.content];
    this.#steps.push({ ...step, after: this.#model, meant: after, contents: states });
  }

  /** What is seen of the disk after an operation that failed. */
  #seen({ operation, after, contents }: WorkloadStep): DiskModel {
    const before = this.#model;
    if (operation.isAtomic === true) {
      const seen = [after, before].find((model) => this.#trial.shows(model));
      if (seen === undefined) throw new Mismatch('what failed was done in part');
      return seen;
    }
    const model = before.clone();
    this.#trial.adopt(model, [before.content, ...contents]);
    this.#trial.adoptBitmaps(model, before, after);
    return model;
  }

  /** A close that failed has ended the disk; what was not flushed by then may be lost. */
  #openAgain(steps: readonly WorkloadStep[]): DiskModel {
    const { subject } = this.#workload;
    const { files, now } = this.#recorded;
    const found = findDisk(subject, files);
    const expectation = Expectation.at(now, this.#begin, steps);
    const fault = expectation.fault(found);
    if (fault !== undefined) throw new Mismatch(`after a close that failed: ${fault}`);
    this.#trial = new DiskTrial(subject, files);
    const model = expectation.modelOf(found);
    model.handles = 1;
    dropLostBitmaps(this.#trial, model);
    return model;
  }

  /** The power may go right after the host has failed. */
  #expectSafe(steps: readonly WorkloadStep[]): void {
    const { crashStates: statesPerPoint, seed } = this.#options;
    if (statesPerPoint === 0) return;
    const { log, now } = this.#recorded;
    const expectation = Expectation.at(now, this.#begin, steps);
    for (const state of crashStates(log, { statesPerPoint, seed, points: [now] })) {
      this.crashes += 1;
      const files = this.#recorded.after(state);
      const fault = brokenPromise(this.#workload.subject, files, expectation);
      if (fault === undefined) continue;
      throw new Mismatch(`power lost after the failure, ${state.description}: ${fault}`);
    }
  }
}

/** Whether an error is a fault of the host, or caused by one. */
function isFault(error: unknown): boolean {
  if (!(error instanceof DiskError)) return false;
  return error.detail === 'test.fault' || isFault(error.cause);
}

function expectFault(error: unknown): void {
  if (!isFault(error)) throw error;
}

/** Bitmaps that were not saved are of no use any more, and say so. */
function dropLostBitmaps(trial: DiskTrial, model: DiskModel): void {
  for (const { name } of model.bitmaps) {
    if (isUsable(trial, name)) continue;
    trial.disk.capabilities.bitmaps!.removeSync(name);
    model.bitmaps = model.bitmaps.filter((bitmap) => bitmap.name !== name);
  }
}

function isUsable({ disk }: DiskTrial, bitmap: string): boolean {
  try {
    dirtyRangesOf(disk, bitmap);
    return true;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'corrupt') return false;
    throw error;
  }
}
