/** What the calling thread and a worker say to each other. */
import type { DiskDescriptor } from '@diskfile/core';
import type { ErrorMessage } from './error-message.ts';
import type { SegmentTaskName } from './segment-tasks.ts';

export interface WorkerStart {
  readonly descriptor: DiskDescriptor;
  readonly taskName: SegmentTaskName;
  /** Memory of the {@link SegmentQueue}. */
  readonly queueWords: Int32Array<SharedArrayBuffer>;
  /** Results of the current run, side by side in the order of its segments; shared memory. */
  readonly results: Uint8Array;
}

/** To a worker: take segments of the run that begins with segment `first` until none is left. */
export interface SegmentRun {
  readonly first: number;
}

/** From a worker: ready, or done with its part of the run; or why not. */
export interface WorkerAnswer {
  readonly error: ErrorMessage | undefined;
}
