/** Kills a process that writes, at any moment, and looks at the image that it leaves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Expectation } from '../crash/expectation.ts';
import { brokenPromise } from '../crash/promises.ts';
import type { WorkloadStep } from '../crash/workload.ts';
import type { DiskModel } from '../model/disk-model.ts';
import { DiskTrial } from '../model/disk-trial.ts';
import { statesOf } from '../model/outcome.ts';
import { Random } from '../storage/random.ts';
import { HostSubject } from '../subject/host-subject.ts';
import { SubjectFiles } from '../subject/subject-files.ts';
import { type KillJob, killOperations, killSubjects } from './kill-job.ts';

const WRITER = fileURLToPath(new URL('writer-process.js', import.meta.url));
/** How long the process lives after its first operation. */
const MAX_LIFE_MS = 150;

export interface KillRunOptions {
  readonly kills: number;
  readonly seed: number;
  /**
   * Called with the path of each image right after the kill, unless that is marked as not closed,
   * and once it has been written to and closed. @returns what is wrong with it
   */
  readonly inspect?: (path: string) => string | undefined;
  /** The script that writes; by default `writer-process.js` beside this module. */
  readonly script?: string;
}

export interface KillReport {
  readonly kills: number;
  /** Operations that were over before the kills. */
  readonly operations: number;
  /** Flushes, or what counts as one, among them. */
  readonly flushes: number;
  readonly violations: readonly string[];
}

export async function runKills(options: KillRunOptions): Promise<KillReport> {
  const { kills, seed } = options;
  const subjects = killSubjects();
  const sum = { operations: 0, flushes: 0 };
  const violations: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const directory = mkdtempSync(join(tmpdir(), 'diskfile-kill-'));
    try {
      const job = { directory, subject: kill % subjects.length, seed: seed * 1000 + kill };
      const { operations, flushes, fault } = await killOnce(job, options);
      sum.operations += operations;
      sum.flushes += flushes;
      const { name } = subjects[job.subject]!;
      if (fault !== undefined) violations.push(`${name}, seed ${seed}, kill ${kill}: ${fault}`);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
  return { kills, ...sum, violations };
}

interface KillOutcome {
  readonly operations: number;
  readonly flushes: number;
  readonly fault: string | undefined;
}

async function killOnce(job: KillJob, { inspect, script }: KillRunOptions): Promise<KillOutcome> {
  const subject = new HostSubject(killSubjects()[job.subject]!, job.directory);
  const begin = beginOf(subject);
  const lines = await linesUntilKilled(job, script ?? WRITER);
  const outcomes = new Map(lines.map((line) => line.split(' ') as [string, string]));
  const last = Number(lines.at(-1)?.split(' ')[0] ?? -1);
  const steps = simulate(job.seed, begin, { last, outcomes });
  const flushes = steps.filter(({ operation, end }) => operation.isDurable && end <= last + 1);
  const files = new SubjectFiles();
  const expectation = Expectation.at(last + 1.5, begin, steps);
  const look = (): string | undefined => inspect?.(subject.path);
  // What is marked as not closed may count wrongly until it is opened for writing, and not longer.
  const fault =
    (isMarkedUnclosed(subject) ? undefined : look()) ??
    brokenPromise(subject, files, expectation) ??
    look();
  return { operations: lines.length, flushes: flushes.length, fault };
}

function isMarkedUnclosed(subject: HostSubject): boolean {
  try {
    return subject.verify().isDirty;
  } catch {
    // The promises are looked at next, and that ends the same way.
    return false;
  }
}

function beginOf(subject: HostSubject): DiskModel {
  const trial = new DiskTrial(subject);
  const begin = trial.modelNow();
  trial.close();
  return begin;
}

/** The lines that the process has printed whole. */
async function linesUntilKilled(job: KillJob, script: string): Promise<string[]> {
  const random = new Random(job.seed);
  const writer = spawn(process.execPath, [script, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let complaints = '';
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (printed === '') setTimeout(() => writer.kill('SIGKILL'), random.below(MAX_LIFE_MS));
    printed += text;
  });
  writer.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const [code, signal] = (await once(writer, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the writer ended with ${code}: ${complaints}`);
  return printed.split('\n').slice(0, -1);
}

/** What the process did, and was about to do when it was killed. */
function simulate(
  seed: number,
  begin: DiskModel,
  { last, outcomes }: { last: number; outcomes: ReadonlyMap<string, string> },
): WorkloadStep[] {
  const steps: WorkloadStep[] = [];
  let model = begin;
  let index = -1;
  for (const operation of killOperations(seed)) {
    index += 1;
    if (operation.isPossible?.(model) === false || outcomes.get(`${index}`) === 'refused') continue;
    const after = model.clone();
    const contents = statesOf(after, operation);
    // The one that follows the last is in progress at `last + 1.5`, whatever its number.
    const start = Math.min(index, last + 1);
    steps.push({ operation, start, end: start + 1, after, contents });
    model = after;
    if (index > last) return steps;
  }
  return steps;
}
