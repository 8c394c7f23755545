/** What a pool and its workers say to each other, in messages and in shared memory. */
import type { DiskDescriptor } from '@diskfile/core';
import type { ErrorMessage } from './error-message.ts';
import type { SegmentTaskName } from './segment-tasks.ts';

/** Words of the shared control array. The segments are counted from the first of the run. */
export const NEXT_SEGMENT = 0;
export const DONE_SEGMENTS = 1;
/** Not zero when the workers shall take no further segment. */
export const STOPPED = 2;
export const CONTROL_WORDS = 3;

export interface WorkerStart {
  readonly descriptor: DiskDescriptor;
  readonly taskName: SegmentTaskName;
  readonly control: Int32Array;
  /** Results of the current run, side by side in the order of its segments. */
  readonly results: Uint8Array;
}

/** To a worker: take segments until those before `end` are all taken. */
export interface SegmentRun {
  readonly first: number;
  readonly end: number;
}

/** From a worker: ready, or done with its part of the run; or why not. */
export interface WorkerAnswer {
  readonly error: ErrorMessage | undefined;
}
