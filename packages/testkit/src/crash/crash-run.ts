/** Loses power at every point of a workload, in many ways, and looks at what is left. */
import { createHash } from 'node:crypto';
import { DiskError } from '@diskfile/bytes';
import { checkDiskFileSync } from 'diskfile';
import type { DiskModel } from '../model/disk-model.ts';
import { DiskTrial } from '../model/disk-trial.ts';
import { firstDifference } from '../model/mismatch.ts';
import { noise } from '../model/noise.ts';
import { Reopen } from '../model/operations/handles.ts';
import { CrashLog } from '../storage/crash-log.ts';
import { type CrashState, crashStates } from '../storage/crash-states.ts';
import { RecordingStorage } from '../storage/recording-storage.ts';
import { BASE } from '../subject/format-subject.ts';
import type { Subject } from '../subject/subject.ts';
import { SubjectFiles } from '../subject/subject-files.ts';
import { Expectation } from './expectation.ts';
import { findDisk, type FoundDisk } from './found-disk.ts';
import { performAll, type Workload, type WorkloadStep } from './workload.ts';

const WRITTEN_AFTERWARDS_BYTES = 3000;

export interface CrashRunOptions {
  /** At most so many states for each point. */
  readonly statesPerPoint: number;
  readonly seed: number;
  /** Called with each state that is new, before anything is done to it. */
  readonly onState?: (files: SubjectFiles, isDirty: boolean) => void;
}

export interface CrashReport {
  readonly points: number;
  readonly states: number;
  /** States that differ from all others, or in what is expected of them. Only these are tried. */
  readonly distinct: number;
  readonly violations: readonly string[];
}

export function runCrashes(workload: Workload, options: CrashRunOptions): CrashReport {
  const recording = record(workload);
  const { log, begin, steps } = recording;
  const seen = new Set<string>();
  const violations: string[] = [];
  let states = 0;
  let point = 0;
  let expectation = Expectation.at(point, begin, steps);
  for (const state of crashStates(log, options)) {
    states += 1;
    if (state.point !== point) expectation = Expectation.at(state.point, begin, steps);
    point = state.point;
    const key = `${expectation.key} ${digestOf(state)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const fault = faultOf(workload.subject, recording.filesOf(state), expectation, options);
    if (fault !== undefined) violations.push(`${workload.name}, ${state.description}: ${fault}`);
  }
  return { points: log.now + 1, states, distinct: seen.size, violations };
}

interface Recording {
  readonly log: CrashLog;
  readonly begin: DiskModel;
  readonly steps: readonly WorkloadStep[];
  filesOf(state: CrashState): SubjectFiles;
}

/** Does the workload, and closes the disk. */
function record({ subject, preparation, operations }: Workload): Recording {
  const before = new DiskTrial(subject);
  let begin = before.modelNow();
  for (const { after } of performAll(preparation, before, begin, () => 0)) begin = after;
  before.close();
  const log = new CrashLog();
  const names: string[] = [];
  const files = before.files.wrapped((storage, name) => {
    if (name === BASE) return storage;
    names.push(name);
    return new RecordingStorage(storage, log);
  });
  const trial = new DiskTrial(subject, files);
  const steps = [...performAll([...operations, new Reopen()], trial, begin, () => log.now)];
  const filesOf = ({ storages }: CrashState): SubjectFiles => {
    const found = new SubjectFiles();
    for (const [index, storage] of storages.entries()) found.add(names[index]!, storage);
    const base = files.get(BASE);
    if (base !== undefined) found.add(BASE, base);
    return found;
  };
  return { log, begin, steps, filesOf };
}

function digestOf({ storages }: CrashState): string {
  const hash = createHash('sha1');
  for (const { bytes } of storages) hash.update(`${bytes.length} `).update(bytes);
  return hash.digest('base64');
}

/** What is wrong with a state; undefined when it keeps every promise. */
function faultOf(
  subject: Subject,
  files: SubjectFiles,
  expectation: Expectation,
  { onState }: CrashRunOptions,
): string | undefined {
  try {
    const { isDirty } = expectNoErrors(subject, files);
    onState?.(files, isDirty);
    if (!isDirty) expectCheckClean(subject, files);
    const found = findDisk(subject, files);
    const fault = expectation.fault(found);
    if (fault !== undefined) return fault;
    return faultOfGoingOn(subject, files, found);
  } catch (error) {
    if (error instanceof DiskError) return `${error.detail}: ${error.message}`;
    if (error instanceof Error) return error.message;
    throw error;
  }
}

function expectNoErrors(subject: Subject, files: SubjectFiles): { isDirty: boolean } {
  const verdict = subject.verify(files);
  if (verdict.errors.length > 0) throw new Error(`damaged: ${verdict.errors.join('; ')}`);
  return verdict;
}

function expectCheckClean(subject: Subject, files: SubjectFiles): void {
  const report = checkDiskFileSync(files.image, { format: subject.format, gate: files.gate });
  if (report.corruptions === 0 && report.checkErrors === 0) return;
  throw new Error(`its check says: ${report.findings.map(({ message }) => message).join('; ')}`);
}

/** Writes to the disk as it was found: that has to work, and change nothing else. */
function faultOfGoingOn(
  subject: Subject,
  files: SubjectFiles,
  { content, snapshots }: FoundDisk,
): string | undefined {
  const disk = subject.open(files);
  const bytes = noise(401, Math.min(WRITTEN_AFTERWARDS_BYTES, disk.sizeBytes));
  disk.writeSync(bytes, 0);
  disk.closeSync();
  content.set(bytes);
  if (expectNoErrors(subject, files).isDirty) return 'it stays dirty';
  expectCheckClean(subject, files);
  const after = findDisk(subject, files);
  const at = firstDifference(after.content, content);
  if (at !== -1) return `after writing to it, it differs at ${at}`;
  const isKept = snapshots.every(
    (snapshot, index) => firstDifference(snapshot.content, after.snapshots[index]!.content) === -1,
  );
  return isKept ? undefined : 'after writing to it, a snapshot differs';
}
