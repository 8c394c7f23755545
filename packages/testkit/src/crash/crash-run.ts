/** Loses power at every point of a workload, in many ways, and looks at what is left. */
import { createHash } from 'node:crypto';
import { DiskTrial } from '../model/disk-trial.ts';
import { Reopen } from '../model/operations/handles.ts';
import { type CrashState, crashStates } from '../storage/crash-states.ts';
import type { SubjectFiles } from '../subject/subject-files.ts';
import { Expectation } from './expectation.ts';
import { brokenPromise } from './promises.ts';
import { prepare, RecordedFiles } from './recorded-files.ts';
import { performAll, type Workload } from './workload.ts';

export interface CrashRunOptions {
  /** At most so many states for each point. */
  readonly statesPerPoint: number;
  readonly seed: number;
  /** Called with each state that is new, before anything is done to it. */
  readonly onState?: (files: SubjectFiles) => void;
}

export interface CrashReport {
  readonly points: number;
  readonly states: number;
  /** States that differ from all others, or in what is expected of them. Only these are tried. */
  readonly distinct: number;
  readonly violations: readonly string[];
}

export function runCrashes(workload: Workload, options: CrashRunOptions): CrashReport {
  const { subject, operations, isRandom } = workload;
  const { files, begin } = prepare(workload);
  const recorded = new RecordedFiles(files);
  const trial = new DiskTrial(subject, recorded.files);
  const performance = { trial, begin, isRandom, now: () => recorded.now };
  // The image is closed at last, and that may be cut short as well.
  const steps = [...performAll([...operations, new Reopen()], performance)];
  const seen = new Set<string>();
  const violations: string[] = [];
  let states = 0;
  let point = 0;
  let expectation = Expectation.at(point, begin, steps);
  for (const state of crashStates(recorded.log, options)) {
    states += 1;
    if (state.point !== point) expectation = Expectation.at(state.point, begin, steps);
    point = state.point;
    const key = `${expectation.key} ${digestOf(state)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const found = recorded.after(state);
    options.onState?.(found);
    const fault = brokenPromise(subject, found, expectation);
    if (fault !== undefined) violations.push(`${workload.name}, ${state.description}: ${fault}`);
  }
  return { points: recorded.now + 1, states, distinct: seen.size, violations };
}

function digestOf({ storages }: CrashState): string {
  const hash = createHash('sha1');
  for (const { bytes } of storages) hash.update(`${bytes.length} `).update(bytes);
  return hash.digest('base64');
}
