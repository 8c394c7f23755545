/** What is done to a disk while its host loses power or fails. */
import type { DiskModel } from '../model/disk-model.ts';
import type { DiskTrial } from '../model/disk-trial.ts';
import type { Operation } from '../model/operation.ts';
import { adoptOutcome, isDone } from '../model/outcome.ts';
import type { Subject } from '../subject/subject.ts';

export interface Workload {
  readonly name: string;
  readonly subject: Subject;
  /** Done before anything goes wrong, and durable. */
  readonly preparation: readonly Operation[];
  readonly operations: readonly Operation[];
  /** Whether operations that make no sense when they come are left out, rather than a mistake. */
  readonly isRandom?: boolean;
}

/** One operation that was done, and the times between which it happened. */
export interface WorkloadStep {
  readonly operation: Operation;
  /** It had not begun at this time, and was done at `end`; Infinity when it failed. */
  readonly start: number;
  readonly end: number;
  readonly after: DiskModel;
  /** What it would have made of the disk, when it failed. */
  readonly meant?: DiskModel;
  /** Contents in between, and after it. */
  readonly contents: readonly Uint8Array[];
}

export interface Performance {
  readonly trial: DiskTrial;
  readonly begin: DiskModel;
  readonly isRandom?: boolean | undefined;
  /** The time, which grows with whatever reaches the host. */
  readonly now: () => number;
}

export function* performAll(
  operations: readonly Operation[],
  { trial, begin, isRandom = false, now }: Performance,
): Generator<WorkloadStep> {
  let model = begin;
  for (const operation of operations) {
    if (operation.isPossible?.(model) === false) {
      if (isRandom) continue;
      throw new Error(`the workload cannot do ${operation.toString()}`);
    }
    const start = now();
    if (!isDone(operation, trial, model)) continue;
    const end = now();
    model = model.clone();
    const contents = adoptOutcome(model, operation, trial);
    yield { operation, start, end, after: model, contents };
  }
}
