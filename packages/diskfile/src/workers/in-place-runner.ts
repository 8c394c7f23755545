/** Bulk work on the calling thread, through the asynchronous driver so that the thread stays live. */
import { setImmediate } from 'node:timers/promises';
import { type DiskFile, runAsync } from '@diskfile/core';
import { refuseAborted } from './aborted.ts';
import type { SegmentRunner, SegmentRunnerOptions } from './segment-runner.ts';
import { segmentAt, type SegmentTask, type SegmentWork } from './segment-task.ts';

/** While one segment is computed on, the host reads for the others. */
const LANES = 2;

export class InPlaceRunner implements SegmentRunner {
  doneSegments = 0;
  readonly #disk: DiskFile;
  readonly #task: SegmentTask;
  readonly #signal: AbortSignal | undefined;
  readonly #results: Uint8Array;
  readonly #lanes: SegmentWork[];

  constructor(disk: DiskFile, task: SegmentTask, options: SegmentRunnerOptions) {
    this.#disk = disk;
    this.#task = task;
    this.#signal = options.signal;
    this.#results = new Uint8Array(options.maxSegments * task.resultBytes);
    this.#lanes = Array.from({ length: LANES }, () => task.start(disk));
  }

  async run(first: number, end: number): Promise<Uint8Array> {
    let next = first;
    this.doneSegments = 0;
    const runLane = async (work: SegmentWork): Promise<void> => {
      while (next < end) {
        const index = next;
        next += 1;
        try {
          // Reads from memory never wait, and then nothing else on this thread would get a turn.
          await setImmediate();
          refuseAborted(this.#signal, this.#disk.name);
          await runAsync(
            work(segmentAt(this.#disk, this.#task, index), this.#result(index - first)),
          );
        } catch (error) {
          next = end;
          throw error;
        }
        this.doneSegments += 1;
      }
    };
    // All lanes come to rest before a failure is reported: none still uses the disk afterwards.
    const settled = await Promise.allSettled(this.#lanes.map(runLane));
    const failed = settled.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return this.#results.subarray(0, (end - first) * this.#task.resultBytes);
  }

  #result(index: number): Uint8Array {
    const { resultBytes } = this.#task;
    return this.#results.subarray(index * resultBytes, (index + 1) * resultBytes);
  }

  async close(): Promise<void> {}
}
