/** The program of a worker thread; {@link SegmentPool} starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSync } from '@diskfile/core';
import { reopenDiskSync } from '../open/open-disk-file.ts';
import { toErrorMessage } from './error-message.ts';
import { segmentAt } from './segment-task.ts';
import { SEGMENT_TASKS } from './segment-tasks.ts';
import {
  DONE_SEGMENTS,
  NEXT_SEGMENT,
  type SegmentRun,
  STOPPED,
  type WorkerAnswer,
  type WorkerStart,
} from './worker-messages.ts';

const { descriptor, taskName, control, results } = workerData as WorkerStart;

function openTask(): (run: SegmentRun) => void {
  const disk = reopenDiskSync(descriptor);
  const task = SEGMENT_TASKS[taskName];
  const work = task.start(disk);
  return ({ first, end }) => {
    while (Atomics.load(control, STOPPED) === 0) {
      const index = Atomics.add(control, NEXT_SEGMENT, 1);
      if (first + index >= end) return;
      const at = index * task.resultBytes;
      runSync(
        work(segmentAt(disk, task, first + index), results.subarray(at, at + task.resultBytes)),
      );
      Atomics.add(control, DONE_SEGMENTS, 1);
    }
  };
}

/** Does some work and answers the pool, exactly once whatever happens. */
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
