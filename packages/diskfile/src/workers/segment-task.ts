/**
 * Bulk work on a disk, cut into segments that can be done in any order and on any thread. A task
 * is written once; a {@link SegmentRunner} decides where it runs.
 */
import type { DiskFile, Step } from '@diskfile/core';

/** One piece of a disk. The last one may be shorter than the others. */
export interface Segment {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

/** Handles one segment after another with buffers of its own; `result` is the segment's to fill. */
export type SegmentWork = (segment: Segment, result: Uint8Array) => Step<void>;

export interface SegmentTask {
  /** Length of a segment in bytes. */
  readonly segmentBytes: number;
  /** Bytes that each segment adds to the results. */
  readonly resultBytes: number;
  /** Prepares one lane of work; several lanes may share a disk. */
  start(disk: DiskFile): SegmentWork;
}

export function segmentAt(disk: DiskFile, task: SegmentTask, index: number): Segment {
  const guestOffset = index * task.segmentBytes;
  return { guestOffset, lengthBytes: Math.min(task.segmentBytes, disk.sizeBytes - guestOffset) };
}

/** The place for the result of the segment at `index` of a run. */
export function resultAt(results: Uint8Array, task: SegmentTask, index: number): Uint8Array {
  return results.subarray(index * task.resultBytes, (index + 1) * task.resultBytes);
}
