/** Keeps a fuzzing process going, and notes the input at which it hung or died. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveFailure } from './failure-store.ts';
import { FuzzInputs } from './fuzz-input.ts';
import type { FuzzTotals } from './fuzz-loop.ts';
import type { FuzzJob } from './fuzz-process.ts';
import type { Failure } from './run-input.ts';
import { type Status, StatusPage } from './status-page.ts';
import { loadTarget } from './targets/index.ts';

/** No input may stand still for longer, however busy the machine. */
const HANG_MS = 30_000;
const FUZZ_PROCESS = fileURLToPath(new URL('fuzz-process.js', import.meta.url));
const POLL_MS = 500;
const PROGRESS_MS = 5000;
/** Heap of the fuzzing process in MiB: well above what an input may take. */
const HEAP_MIB = 1024;

export interface SuperviseOptions {
  readonly target: string;
  readonly seed: number;
  readonly milliseconds: number;
  readonly maxInputs: number;
  readonly folder: string;
  /** What is run and watched; by default `fuzz-process.js`. */
  readonly script?: string;
  readonly hangMs?: number;
}

/** Fuzzes one target for a time; progress and failures go to stderr. */
export async function superviseFuzzing(options: SuperviseOptions): Promise<FuzzTotals> {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-fuzz-status-'));
  const supervisor = new Supervisor(options, join(directory, 'status'));
  try {
    return await supervisor.run();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #statusPath: string;
  readonly #started = Date.now();
  #done: FuzzTotals = { inputs: 0, refused: 0, failures: 0 };
  #nextProgress = this.#started + PROGRESS_MS;

  constructor(options: SuperviseOptions, statusPath: string) {
    this.#options = options;
    this.#statusPath = statusPath;
  }

  async run(): Promise<FuzzTotals> {
    const { milliseconds, maxInputs } = this.#options;
    const deadline = this.#started + milliseconds;
    let firstIndex = 0;
    while (firstIndex < maxInputs && Date.now() < deadline) {
      const { status, failure } = await this.#watch(firstIndex, deadline);
      this.#done = sum(this.#done, status);
      if (failure === undefined) break;
      if (status.index < 0) throw new Error(`the fuzzing process failed: ${failure.message}`);
      await this.#save(status.index, failure);
      this.#done = sum(this.#done, { inputs: 1, refused: 0, failures: 1 });
      firstIndex = status.index + 1;
    }
    return this.#done;
  }

  /** Runs one process to its end, or until it stands still. */
  async #watch(
    firstIndex: number,
    deadline: number,
  ): Promise<{ status: Status; failure: Failure | undefined }> {
    const { target, seed, folder, maxInputs, hangMs = HANG_MS } = this.#options;
    const statusPath = this.#statusPath;
    const job = { target, seed, firstIndex, deadline, endIndex: maxInputs, folder, statusPath };
    new StatusPage(statusPath).close();
    const child = startProcess(this.#options.script ?? FUZZ_PROCESS, job);
    const page = StatusPage.forReading(statusPath);
    const exit = once(child, 'exit') as Promise<[number | null, string | null]>;
    let status = page.read();
    let since = Date.now();
    for (;;) {
      const ended = await Promise.race([exit, sleep(POLL_MS)]);
      const now = page.read();
      if (now.index !== status.index) since = Date.now();
      status = now;
      this.#report(status);
      if (ended !== undefined) {
        page.close();
        const [code, signal] = ended;
        return { status, failure: code === 0 ? undefined : crash(code ?? signal!) };
      }
      if (Date.now() - since > hangMs) {
        child.kill('SIGKILL');
        await exit;
        page.close();
        return { status, failure: hang(hangMs) };
      }
    }
  }

  #report(status: Status): void {
    if (Date.now() < this.#nextProgress) return;
    this.#nextProgress = Date.now() + PROGRESS_MS;
    const { inputs, refused, failures } = sum(this.#done, status);
    const rate = Math.round((inputs * 1000) / (Date.now() - this.#started));
    const line = `${inputs} inputs (${refused} refused), ${failures} failures, ${rate}/s`;
    process.stderr.write(`${this.#options.target}: ${line}\n`);
  }

  async #save(index: number, failure: Failure): Promise<void> {
    const { target: name, seed, folder } = this.#options;
    const target = await loadTarget(name);
    const input = new FuzzInputs(target, seed).at(index);
    const path = saveFailure(folder, { target: name, seed, index }, input, failure);
    process.stderr.write(`${name} #${index}: ${failure.kind}: ${failure.message} (${path})\n`);
  }
}

function startProcess(script: string, job: FuzzJob): ChildProcess {
  const args = [`--max-old-space-size=${HEAP_MIB}`, script, JSON.stringify(job)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function crash(how: number | string): Failure {
  const message = `the process ended with ${typeof how === 'number' ? `exit code ${how}` : how}`;
  return { kind: 'crash', message, stack: undefined };
}

function hang(milliseconds: number): Failure {
  const message = `no end within ${milliseconds / 1000} seconds`;
  return { kind: 'hang', message, stack: undefined };
}

function sum(a: FuzzTotals, b: FuzzTotals): FuzzTotals {
  return {
    inputs: a.inputs + b.inputs,
    refused: a.refused + b.refused,
    failures: a.failures + b.failures,
  };
}

function sleep(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), milliseconds);
  });
}
