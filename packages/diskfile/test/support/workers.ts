/** What tests of worker threads have in common. */
import type { Worker } from 'node:worker_threads';
import type { DiskError } from '@diskfile/bytes';
import { expect } from 'vitest';

/** Runs some work and counts the workers that it starts; `onWorker` may interfere with them. */
export async function countingWorkers<T>(
  work: () => Promise<T>,
  onWorker: (worker: Worker) => void = () => {},
): Promise<{ result: T; workers: number }> {
  let workers = 0;
  const listener = (worker: Worker): void => {
    workers += 1;
    onWorker(worker);
  };
  process.on('worker', listener);
  try {
    return { result: await work(), workers };
  } finally {
    process.off('worker', listener);
  }
}

export async function failureOf(work: Promise<unknown>): Promise<DiskError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'DiskError' });
  return error as DiskError;
}
