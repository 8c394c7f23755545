/** The program of worker threads, whatever they are started for. */
import { workerData } from 'node:worker_threads';
import { disableNativeCalls } from '@diskfile/storage';
import { runCopyWorker } from './copy-worker.ts';
import { runSegmentWorker } from './segment-worker.ts';
import type { WorkerStart } from './worker-messages.ts';

disableNativeCalls();
const start = workerData as WorkerStart;
if (start.role === 'copy') runCopyWorker(start);
else runSegmentWorker(start);
