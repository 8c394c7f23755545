/** Where the data of a conversion goes. */
import type { SharedFile, Step } from '@diskfile/core';
import type { CopySink, FlatPlace, PreparedData, StorePlan } from './copy-hand.ts';
import type { GuestRanges } from './copy-requests.ts';

export interface CopyTarget {
  readonly sink: CopySink;
  /** There when every byte of the target has a place that is known beforehand. */
  readonly flat: FlatPlace | undefined;
  /** Whether `store` has to be done before the next job is placed. */
  readonly storesInOrder: boolean;
  /**
   * Says where what was prepared of some ranges goes. One call at a time, in the order in which
   * space is to be used.
   */
  place(prepared: PreparedData, ranges: GuestRanges): Step<StorePlan>;
  /** Called once everything is stored. */
  finish(): Step<void>;
  /** The files as other threads write them, by their numbers; undefined where they cannot. */
  sharedFiles(): readonly SharedFile[] | undefined;
}
