/** Where bulk work runs: on worker threads where that pays and is possible, else in place. */
import { availableParallelism } from 'node:os';
import { DiskError } from '@diskfile/bytes';
import type { DiskFile } from '@diskfile/core';
import { InPlaceRunner } from './in-place-runner.ts';
import { SegmentPool } from './segment-pool.ts';
import type { SegmentRunner, SegmentRunnerOptions } from './segment-runner.ts';
import { SEGMENT_TASKS, type SegmentTaskName } from './segment-tasks.ts';

/** Starting workers takes as long as reading this much in place. */
const WORTHWHILE_BYTES = 64 * 1024 * 1024;
/** More workers than these would rather cost memory than save time. */
const DEFAULT_MAX_WORKERS = 4;
const MAX_WORKERS = 64;

/** @throws DiskError `aborted`, `invalid-argument`, or what a worker met when it opened the disk */
export async function openSegmentRunner(
  disk: DiskFile,
  taskName: SegmentTaskName,
  options: SegmentRunnerOptions,
): Promise<SegmentRunner> {
  const workers = workerCount(disk, options.workers);
  const pool =
    workers === 0 ? undefined : await SegmentPool.start(disk, taskName, workers, options);
  return pool ?? new InPlaceRunner(disk, SEGMENT_TASKS[taskName], options);
}

function workerCount(disk: DiskFile, asked: number | undefined): number {
  if (asked !== undefined) {
    if (Number.isInteger(asked) && asked >= 0 && asked <= MAX_WORKERS) return asked;
    throw new DiskError(
      'invalid-argument',
      'work.workers',
      `The number of workers must be a whole number from 0 to ${MAX_WORKERS}, not ${asked}`,
    );
  }
  if (storedBytes(disk) < WORTHWHILE_BYTES) return 0;
  const cores = availableParallelism();
  return cores === 1 ? 0 : Math.min(cores, DEFAULT_MAX_WORKERS);
}

/** About how much there is to read: what the images take on the host, but no more than the disk. */
function storedBytes(disk: DiskFile): number {
  const allocated = disk.info().reduce((sum, image) => sum + image.allocatedBytes, 0);
  return Math.min(disk.sizeBytes, allocated);
}
