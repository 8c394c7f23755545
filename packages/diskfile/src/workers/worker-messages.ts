/** What the calling thread and its workers say to each other. */
import type { DiskDescriptor } from '@diskfile/core';
import type { CopySettings, FlatPlace, PreparedData, StorePlan } from '../convert/copy-hand.ts';
import type { GuestRanges } from '../convert/copy-requests.ts';
import type { UnreadableRange } from '../convert/salvage.ts';
import type { ErrorMessage } from './error-message.ts';
import type { SegmentTaskName } from './segment-tasks.ts';

/** What a worker is started for. */
export type WorkerStart = SegmentStart | CopyStart;

export interface SegmentStart {
  readonly role: 'segments';
  readonly descriptor: DiskDescriptor;
  readonly taskName: SegmentTaskName;
  /** Memory of the {@link SegmentQueue}. */
  readonly queueWords: Int32Array<SharedArrayBuffer>;
  /** Results of the current run, side by side in the order of its segments; shared memory. */
  readonly results: Uint8Array;
}

/** To a worker: take segments of the run that begins with segment `first` until none is left. */
export interface SegmentRun {
  readonly first: number;
}

/** From a worker: ready, or done with its part of the run; or why not. */
export interface WorkerAnswer {
  readonly error: ErrorMessage | undefined;
}

export interface CopyStart {
  readonly role: 'copy';
  /** The source, one disk behind the other. */
  readonly descriptors: readonly DiskDescriptor[];
  readonly settings: CopySettings;
  /** Files of the target by their numbers, open in this process. */
  readonly files: readonly { readonly fd: number; readonly name: string }[];
  /** How many jobs the worker has under way at a time. */
  readonly hands: number;
}

/** To a worker: what one of its hands shall do. */
export type CopyOrder = { readonly hand: number } & (
  | { readonly op: 'prepare'; readonly ranges: GuestRanges }
  | { readonly op: 'store'; readonly plan: StorePlan }
  | { readonly op: 'prepareAndStore'; readonly ranges: GuestRanges; readonly place: FlatPlace }
);

/** What an order comes to. */
export type CopyOutcome = PreparedData | readonly UnreadableRange[] | undefined;

/** From a worker: that a hand has done its order, or first of all that the worker is ready. */
export interface CopyAnswer {
  readonly hand: number;
  readonly outcome?: CopyOutcome;
  readonly error?: ErrorMessage;
}
