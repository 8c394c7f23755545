/** The program of a worker thread; {@link WorkerCrew} starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSync } from '@diskfile/core';
import { disableNativeCalls } from '@diskfile/storage';
import { reopenDiskSync } from '../open/open-disk-file.ts';
import { toErrorMessage } from './error-message.ts';
import { SegmentQueue } from './segment-queue.ts';
import { resultAt, segmentAt } from './segment-task.ts';
import { SEGMENT_TASKS } from './segment-tasks.ts';
import type { SegmentRun, WorkerAnswer, WorkerStart } from './worker-messages.ts';

disableNativeCalls();
const { descriptor, taskName, queueWords, results } = workerData as WorkerStart;

function openTask(): (run: SegmentRun) => void {
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

const runSegments = answering(openTask);
if (runSegments !== undefined) {
  parentPort!.on('message', (run: SegmentRun) => answering(() => runSegments(run)));
}
