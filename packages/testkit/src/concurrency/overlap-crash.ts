/** Loses power while many requests are in flight. */
import type { DiskModel } from '../model/disk-model.ts';
import { DiskTrial } from '../model/disk-trial.ts';
import { Expectation } from '../crash/expectation.ts';
import { brokenPromise } from '../crash/promises.ts';
import { RecordedFiles } from '../crash/recorded-files.ts';
import type { WorkloadStep } from '../crash/workload.ts';
import { crashStates } from '../storage/crash-states.ts';
import { Random } from '../storage/random.ts';
import { SlowStorage } from '../storage/slow-storage.ts';
import type { Subject } from '../subject/subject.ts';
import { anyRequest, type Request } from './request.ts';
import { SharedSectors } from './shared-sectors.ts';

export interface OverlapCrashOptions {
  readonly seed: number;
  readonly rounds: number;
  /** In flight at a time. */
  readonly requests: number;
  readonly statesPerPoint: number;
}

export interface OverlapCrashReport {
  readonly points: number;
  readonly states: number;
  readonly violations: readonly string[];
}

export async function runOverlappingCrashes(
  subject: Subject,
  options: OverlapCrashOptions,
): Promise<OverlapCrashReport> {
  const { seed, statesPerPoint } = options;
  const random = new Random(seed);
  // Recorded before it is slow: a flush covers only what has returned when it begins.
  const recorded = new RecordedFiles(subject.create(), {
    within: (storage) => new SlowStorage(storage, random),
  });
  const trial = new DiskTrial(subject, recorded.files);
  const begin = trial.modelNow();
  const steps = await work(trial, begin, { ...options, random, now: () => recorded.now });
  await trial.disk.close();
  const violations: string[] = [];
  let states = 0;
  for (const state of crashStates(recorded.log, { seed, statesPerPoint })) {
    states += 1;
    const expectation = Expectation.at(state.point, begin, steps);
    const fault = brokenPromise(subject, recorded.after(state), expectation);
    if (fault !== undefined) violations.push(`${subject.name}, ${state.description}: ${fault}`);
  }
  return { points: recorded.now + 1, states, violations };
}

interface WorkOptions extends OverlapCrashOptions {
  readonly random: Random;
  readonly now: () => number;
}

/** Requests in the order in which they were made, which is the one in which they take effect. */
async function work(
  trial: DiskTrial,
  begin: DiskModel,
  { rounds, requests, random, now }: WorkOptions,
): Promise<WorkloadStep[]> {
  const steps: WorkloadStep[] = [];
  let model = begin;
  for (let round = 0; round < rounds; round++) {
    const pending: Promise<void>[] = [];
    const shared = new SharedSectors();
    for (let count = 0; count < requests; count++) {
      const request = contentRequest(model, random, shared);
      const after = model.clone();
      const contents = request.changes.map((change) => {
        change(after);
        return after.content.slice();
      });
      const isDurable = request.text === 'flush';
      const step = { ...stepOf(request, isDurable), start: now(), end: Infinity, after, contents };
      steps.push(step);
      const finish = async (): Promise<void> => {
        await request.start(trial.disk);
        step.end = now();
      };
      pending.push(finish());
      model = after;
    }
    await Promise.all(pending);
  }
  return steps;
}

/** One that changes no more than what the disk holds, and shares no sector with others in flight. */
function contentRequest(model: DiskModel, random: Random, shared: SharedSectors): Request {
  for (;;) {
    const request = anyRequest(model, random, model.sizeBytes);
    if (/^(resize|snapshot|delete)/.test(request.text)) continue;
    if (shared.wouldShare(request.windows)) continue;
    shared.add(request.windows);
    return request;
  }
}

function stepOf({ text }: Request, isDurable: boolean): Pick<WorkloadStep, 'operation'> {
  const never = (): never => {
    throw new Error('assertion failed: requests are made elsewhere');
  };
  return {
    operation: { kind: text, isDurable, perform: never, apply: never, toString: () => text },
  };
}
