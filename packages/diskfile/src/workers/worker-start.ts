/** Starting worker threads, and how many of them are worth it. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DiskError } from '@diskfile/bytes';
import type { DiskFile } from '@diskfile/core';
import type { WorkerStart } from './worker-messages.ts';

const PROGRAM = new URL('./worker-program.js', import.meta.url);

/** The work leaves little garbage; collecting it often takes no time and keeps each worker small. */
const SMALL_NURSERY = { maxYoungGenerationSizeMb: 2 };

/** Starting workers takes as long as reading this much in place. */
const WORTHWHILE_BYTES = 64 * 1024 * 1024;
/** More workers than these would rather cost memory than save time. */
const DEFAULT_MAX_WORKERS = 4;
const MAX_WORKERS = 64;

/** Whether there is a worker program here: there is none among the sources. */
export function canStartWorkers(): boolean {
  return PROGRAM.protocol === 'file:' && existsSync(fileURLToPath(PROGRAM));
}

/** A worker; undefined when the host allows no more threads. */
export function startWorker(workerData: WorkerStart): Worker | undefined {
  try {
    // Options of the main program, like --eval, need not make sense for another file.
    return new Worker(PROGRAM, { workerData, execArgv: [], resourceLimits: SMALL_NURSERY });
  } catch {
    return undefined;
  }
}

/** One that was at work has ended. */
export function workerDied(path: string, cause: unknown): DiskError {
  return new DiskError('io', 'work.worker-died', 'A worker thread ended before its work was done', {
    path,
    cause,
    hint: 'Try again with more memory free, or without workers.',
  });
}

/**
 * How many workers to use for what some disks hold.
 * @throws DiskError `invalid-argument`
 */
export function workerCount(disks: readonly DiskFile[], asked: number | undefined): number {
  if (asked !== undefined) {
    if (Number.isInteger(asked) && asked >= 0 && asked <= MAX_WORKERS) return asked;
    throw new DiskError(
      'invalid-argument',
      'work.workers',
      `The number of workers must be a whole number from 0 to ${MAX_WORKERS}, not ${asked}`,
    );
  }
  if (disks.reduce((sum, disk) => sum + storedBytes(disk), 0) < WORTHWHILE_BYTES) return 0;
  const cores = availableParallelism();
  return cores === 1 ? 0 : Math.min(cores, DEFAULT_MAX_WORKERS);
}

/** About how much there is to read: what the images take on the host, but no more than the disk. */
function storedBytes(disk: DiskFile): number {
  const allocated = disk.info().reduce((sum, image) => sum + image.allocatedBytes, 0);
  return Math.min(disk.sizeBytes, allocated);
}
