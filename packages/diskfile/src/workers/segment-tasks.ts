/** The tasks that a worker thread can be asked for, by name: functions cannot be sent to it. */
import { digestTask } from '../digest/segment-digest.ts';
import type { SegmentTask } from './segment-task.ts';

export const SEGMENT_TASKS = { digest: digestTask } satisfies Record<string, SegmentTask>;

export type SegmentTaskName = keyof typeof SEGMENT_TASKS;
