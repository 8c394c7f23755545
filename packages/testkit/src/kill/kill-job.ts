/** What the process that is killed, and the one that looks at what is left, have to agree on. */
import fc from 'fast-check';
import type { Operation } from '../model/operation.ts';
import { operations } from '../model/operations/index.ts';
import { qcow2Subjects } from '../subject/qcow2-subjects.ts';
import type { Subject } from '../subject/subject.ts';

export interface KillJob {
  readonly directory: string;
  /** Which of {@link killSubjects}. */
  readonly subject: number;
  readonly seed: number;
}

/** Large clusters would make the process spend its time on content. */
const MAX_CLUSTER_BYTES = 64 * 1024;
const OPERATIONS_AT_A_TIME = 100;

/** What is discarded may read as zeros or not, which only the process itself could tell. */
const certain = operations.filter(({ isPartial }) => isPartial !== true);

export function killSubjects(): Subject[] {
  return qcow2Subjects().filter(
    ({ clusterBytes, options }) =>
      clusterBytes <= MAX_CLUSTER_BYTES && options['data_file'] === undefined,
  );
}

/** The same operations in both processes, without an end. */
export function* killOperations(seed: number): Generator<Operation> {
  for (let chunk = 0; ; chunk++) {
    const options = { seed: seed * 1000 + chunk, numRuns: OPERATIONS_AT_A_TIME };
    yield* fc.sample(certain, options);
  }
}
