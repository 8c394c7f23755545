/** Worker threads that help with the segments of a disk which each of them opens for itself. */
import type { Worker } from 'node:worker_threads';
import { fromErrorMessage } from './error-message.ts';
import type { SegmentRun, SegmentStart, WorkerAnswer } from './worker-messages.ts';
import { startWorker, workerDied } from './worker-start.ts';

/**
 * Workers come when they are ready and do the rest of a run with those that are there. One that
 * cannot start is done without; one that fails or dies after that is a failure of the work.
 */
export class WorkerCrew {
  readonly #path: string;
  readonly #onFailure: (error: Error) => void;
  readonly #workers = new Set<Worker>();
  readonly #ready = new Set<Worker>();
  readonly #busy = new Set<Worker>();
  #run: SegmentRun | undefined;
  #endRun: (() => void) | undefined;
  #isClosing = false;

  constructor(path: string, onFailure: (error: Error) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  start(count: number, start: SegmentStart): void {
    for (let index = 0; index < count; index++) {
      const worker = startWorker(start);
      if (worker === undefined) return;
      worker.on('message', (answer: WorkerAnswer) => this.#take(worker, answer));
      worker.on('error', (cause) => this.#lose(worker, cause));
      worker.on('exit', (exitCode) => this.#lose(worker, new Error(`exit code ${exitCode}`)));
      this.#workers.add(worker);
    }
  }

  /**
   * Waits until the workers are through with a run, or have failed.
   * @returns false when there is no worker to do it
   */
  async run(run: SegmentRun): Promise<boolean> {
    if (this.#workers.size === 0) return false;
    this.#run = run;
    for (const worker of this.#ready) this.#set(worker, run);
    await new Promise<void>((resolve) => {
      this.#endRun = resolve;
    });
    this.#run = undefined;
    return this.#workers.size > 0;
  }

  #set(worker: Worker, run: SegmentRun): void {
    this.#busy.add(worker);
    worker.postMessage(run);
  }

  #take(worker: Worker, { error }: WorkerAnswer): void {
    if (error !== undefined) return this.#fail(fromErrorMessage(error));
    if (this.#ready.has(worker)) return this.#rest(worker);
    this.#ready.add(worker);
    if (this.#run !== undefined) this.#set(worker, this.#run);
  }

  /** A worker stops when all segments are taken, so the run is over when the last one has. */
  #rest(worker: Worker): void {
    this.#busy.delete(worker);
    if (this.#busy.size === 0) this.#endRun?.();
  }

  #lose(worker: Worker, cause: unknown): void {
    if (this.#isClosing) return;
    if (!this.#ready.has(worker)) {
      this.#workers.delete(worker);
      if (this.#workers.size === 0) this.#endRun?.();
      return;
    }
    this.#fail(workerDied(this.#path, cause));
  }

  #fail(error: Error): void {
    if (this.#isClosing) return;
    this.#onFailure(error);
    this.#endRun?.();
  }

  /** Ends all workers, whatever they are at. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#endRun?.();
    await Promise.all(Array.from(this.#workers, (worker) => worker.terminate()));
  }
}
