/** A worker thread that does segments; {@link WorkerCrew} starts it. */
import { parentPort } from 'node:worker_threads';
import { runSync } from '@diskfile/core';
import { reopenDiskSync } from '../open/open-disk-file.ts';
import { toErrorMessage } from './error-message.ts';
import { SegmentQueue } from './segment-queue.ts';
import { resultAt, segmentAt } from './segment-task.ts';
import { SEGMENT_TASKS } from './segment-tasks.ts';
import type { SegmentRun, SegmentStart, WorkerAnswer } from './worker-messages.ts';

export function runSegmentWorker(start: SegmentStart): void {
  const runSegments = answering(() => openTask(start));
  if (runSegments === undefined) return;
  parentPort!.on('message', (run: SegmentRun) => answering(() => runSegments(run)));
}

function openTask({
  descriptor,
  taskName,
  queueWords,
  results,
}: SegmentStart): (run: SegmentRun) => void {
  const disk = reopenDiskSync(descriptor);
  const task = SEGMENT_TASKS[taskName];
  const queue = new SegmentQueue(queueWords);
  const work = task.start(disk);
  return ({ first }) => {
    for (let index = queue.take(); index !== undefined; index = queue.take()) {
      runSync(work(segmentAt(disk, task, first + index), resultAt(results, task, index)));
      queue.finish();
    }
  };
}

/** Does some work and answers the calling thread, exactly once whatever happens. */
function answering<T>(work: () => T): T | undefined {
  let answer: WorkerAnswer = { error: undefined };
  try {
    return work();
  } catch (error) {
    answer = { error: toErrorMessage(error) };
    return undefined;
  } finally {
    parentPort!.postMessage(answer);
  }
}
