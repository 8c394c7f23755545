/** Does the segments of a disk: on workers where that pays and is possible, else in place. */
import { setImmediate } from 'node:timers/promises';
import { type DiskFile, runAsync } from '@diskfile/core';
import { abortedError, refuseAborted } from './aborted.ts';
import { SegmentQueue } from './segment-queue.ts';
import { resultAt, segmentAt, type SegmentTask, type SegmentWork } from './segment-task.ts';
import { SEGMENT_TASKS, type SegmentTaskName } from './segment-tasks.ts';
import { WorkerCrew } from './worker-crew.ts';
import { canStartWorkers, workerCount } from './worker-start.ts';

export interface SegmentRunnerOptions {
  /** Most segments that one run has; bounds the memory for results. */
  readonly maxSegments: number;
  /** Worker threads: 0 to work in place, undefined to let the disk and the host decide. */
  readonly workers: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Segments under way in place: while one is computed on, the host reads for the other. */
const LANES = 2;
export class SegmentRunner {
  readonly #disk: DiskFile;
  readonly #task: SegmentTask;
  readonly #signal: AbortSignal | undefined;
  readonly #results: Uint8Array<SharedArrayBuffer>;
  readonly #queue = new SegmentQueue();
  readonly #crew: WorkerCrew;
  #failure: unknown;

  /**
   * Starts the workers, where the disk can be opened again by its descriptor and they are worth it.
   * @throws DiskError `invalid-argument`, `aborted`
   */
  constructor(disk: DiskFile, taskName: SegmentTaskName, options: SegmentRunnerOptions) {
    const { maxSegments, signal } = options;
    refuseAborted(signal, disk.name);
    const workers = workerCount([disk], options.workers);
    this.#disk = disk;
    this.#task = SEGMENT_TASKS[taskName];
    this.#signal = signal;
    this.#results = new Uint8Array(new SharedArrayBuffer(maxSegments * this.#task.resultBytes));
    this.#crew = new WorkerCrew(disk.name, (error) => this.#fail(error));
    signal?.addEventListener('abort', this.#onAbort);
    const { descriptor } = disk;
    if (descriptor === undefined || workers === 0 || !canStartWorkers()) return;
    const queueWords = this.#queue.words;
    const results = this.#results;
    this.#crew.start(workers, { role: 'segments', descriptor, taskName, queueWords, results });
  }

  /** Segments of the current run that are done. */
  get doneSegments(): number {
    return this.#queue.doneSegments;
  }

  /**
   * Does the segments from `first` up to `end`, at most `maxSegments` of them. One run at a time.
   * @returns the results of the segments in order; they hold until the next run
   * @throws DiskError `aborted`, or what the task or a worker met; the runner is of no use then
   */
  async run(first: number, end: number): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#queue.restart(end - first);
    if (!(await this.#crew.run({ first }))) await this.#runInPlace(first);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#results.subarray(0, (end - first) * this.#task.resultBytes);
  }

  /** All lanes come to rest before a failure is reported: none still uses the disk afterwards. */
  async #runInPlace(first: number): Promise<void> {
    const lanes = Array.from({ length: LANES }, () => this.#task.start(this.#disk));
    await Promise.all(lanes.map((work) => this.#runLane(work, first)));
  }

  async #runLane(work: SegmentWork, first: number): Promise<void> {
    try {
      for (let index = this.#queue.take(); index !== undefined; index = this.#queue.take()) {
        const segment = segmentAt(this.#disk, this.#task, first + index);
        await runAsync(work(segment, resultAt(this.#results, this.#task, index)));
        this.#queue.finish();
        // Reads from memory never wait, and then nothing else on this thread would get a turn.
        await setImmediate();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#queue.stop();
  }

  readonly #onAbort = (): void => {
    this.#fail(abortedError(this.#signal!, this.#disk.name));
    // A worker may be stuck in a read.
    void this.#crew.close();
  };

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#queue.stop();
    await this.#crew.close();
  }
}
