/** What is done to a disk while its host loses power or fails. */
import type { DiskModel } from '../model/disk-model.ts';
import type { DiskTrial } from '../model/disk-trial.ts';
import type { Operation } from '../model/operation.ts';
import { adoptOutcome } from '../model/outcome.ts';
import type { Subject } from '../subject/subject.ts';

export interface Workload {
  readonly name: string;
  readonly subject: Subject;
  /** Done before anything goes wrong, and durable. */
  readonly preparation: readonly Operation[];
  readonly operations: readonly Operation[];
}

/** One operation that was done, and the times between which it happened. */
export interface WorkloadStep {
  readonly operation: Operation;
  /** It had not begun at this time, and was done at `end`. */
  readonly start: number;
  readonly end: number;
  readonly after: DiskModel;
  /** Contents in between, and after it. */
  readonly contents: readonly Uint8Array[];
}

/** @param now the time, which grows with whatever reaches the host */
export function* performAll(
  operations: readonly Operation[],
  trial: DiskTrial,
  begin: DiskModel,
  now: () => number,
): Generator<WorkloadStep> {
  let model = begin;
  for (const operation of operations) {
    if (operation.isPossible?.(model) === false) {
      throw new Error(`the workload cannot do ${operation.toString()}`);
    }
    const start = now();
    operation.perform(trial, model);
    const end = now();
    model = model.clone();
    const contents = adoptOutcome(model, operation, trial);
    yield { operation, start, end, after: model, contents };
  }
}
