/**
 * Worker threads that each open the disk for themselves and share out its segments by an atomic
 * counter. A run costs one message to and from each worker, however many segments it has.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DiskError } from '@diskfile/bytes';
import type { DiskDescriptor, DiskFile } from '@diskfile/core';
import { abortedError, refuseAborted } from './aborted.ts';
import { fromErrorMessage } from './error-message.ts';
import type { SegmentRunner, SegmentRunnerOptions } from './segment-runner.ts';
import { SEGMENT_TASKS, type SegmentTaskName } from './segment-tasks.ts';
import {
  CONTROL_WORDS,
  DONE_SEGMENTS,
  NEXT_SEGMENT,
  type SegmentRun,
  STOPPED,
  type WorkerAnswer,
  type WorkerStart,
} from './worker-messages.ts';

/** Every worker owes one answer: that it is ready, or that its part of a run is done. */
interface Round {
  missing: number;
  resolve(): void;
  reject(error: Error): void;
}

export class SegmentPool implements SegmentRunner {
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #resultBytes: number;
  readonly #results: Uint8Array<SharedArrayBuffer>;
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  readonly #workers: Worker[] = [];
  #round: Round | undefined;
  #failure: Error | undefined;
  /** Whether a worker ended without a word of its own about why. */
  #crashed = false;
  #closing = false;

  /**
   * Starts the workers; undefined where that is not possible: the disk has no descriptor, the code
   * runs from sources or from a bundle, or the host allows no threads.
   * @throws DiskError `aborted`, or what a worker met when it opened the disk
   */
  static async start(
    disk: DiskFile,
    taskName: SegmentTaskName,
    workers: number,
    options: SegmentRunnerOptions,
  ): Promise<SegmentPool | undefined> {
    const file = new URL('./segment-worker.js', import.meta.url);
    if (disk.descriptor === undefined || !existsSync(fileURLToPath(file))) return undefined;
    refuseAborted(options.signal, disk.name);
    const pool = new SegmentPool(disk, taskName, options);
    try {
      await pool.#startWorkers(file, workers, disk.descriptor, taskName);
      return pool;
    } catch (error) {
      await pool.close();
      if (pool.#crashed) return undefined;
      throw error;
    }
  }

  private constructor(
    disk: DiskFile,
    taskName: SegmentTaskName,
    { signal, maxSegments }: SegmentRunnerOptions,
  ) {
    this.#path = disk.name;
    this.#signal = signal;
    this.#resultBytes = SEGMENT_TASKS[taskName].resultBytes;
    this.#results = new Uint8Array(new SharedArrayBuffer(maxSegments * this.#resultBytes));
    signal?.addEventListener('abort', this.#onAbort);
  }

  async #startWorkers(
    file: URL,
    count: number,
    descriptor: DiskDescriptor,
    taskName: SegmentTaskName,
  ): Promise<void> {
    const workerData: WorkerStart = {
      descriptor,
      taskName,
      control: this.#control,
      results: this.#results,
    };
    for (let index = 0; index < count; index++) this.#startWorker(file, workerData);
    await this.#answers();
  }

  #startWorker(file: URL, workerData: WorkerStart): void {
    let worker: Worker;
    try {
      // Options of the main program, like --eval, need not make sense for another file.
      worker = new Worker(file, { workerData, execArgv: [] });
    } catch (cause) {
      this.#crash(cause);
      return;
    }
    worker.on('message', (answer: WorkerAnswer) => this.#take(answer));
    worker.on('error', (cause) => this.#crash(cause));
    worker.on('exit', (exitCode) => this.#crash(new Error(`exit code ${exitCode}`)));
    this.#workers.push(worker);
  }

  get doneSegments(): number {
    return Atomics.load(this.#control, DONE_SEGMENTS);
  }

  async run(first: number, end: number): Promise<Uint8Array> {
    Atomics.store(this.#control, NEXT_SEGMENT, 0);
    Atomics.store(this.#control, DONE_SEGMENTS, 0);
    const message: SegmentRun = { first, end };
    for (const worker of this.#workers) worker.postMessage(message);
    await this.#answers();
    return this.#results.subarray(0, (end - first) * this.#resultBytes);
  }

  #answers(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#round = { missing: this.#workers.length, resolve, reject };
    });
  }

  #take(answer: WorkerAnswer): void {
    if (answer.error !== undefined) return this.#fail(fromErrorMessage(answer.error));
    const round = this.#round;
    if (round === undefined) return;
    round.missing -= 1;
    if (round.missing === 0) round.resolve();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    Atomics.store(this.#control, STOPPED, 1);
    this.#round?.reject(error);
  }

  #crash(cause: unknown): void {
    if (this.#closing || this.#failure !== undefined) return;
    this.#crashed = true;
    this.#fail(
      new DiskError('io', 'work.worker-died', 'A worker thread ended before its work was done', {
        path: this.#path,
        cause,
        hint: 'Try again with less memory in use, or without workers.',
      }),
    );
  }

  readonly #onAbort = (): void => {
    this.#fail(abortedError(this.#signal!, this.#path));
  };

  async close(): Promise<void> {
    this.#closing = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    Atomics.store(this.#control, STOPPED, 1);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
