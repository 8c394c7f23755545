/** Something that can be done to a disk, and to the model of one. Each kind is a class of its own. */
import type { BatchOperation } from '@diskfile/core';
import type { DiskModel, GuestWindow } from './disk-model.ts';
import type { DiskTrial } from './disk-trial.ts';

export interface Operation {
  /** What it is called when operations are counted. */
  readonly kind: string;
  /** Whether all before it and itself survive a loss of power once it has returned. */
  readonly isDurable?: boolean;
  /** Whether a loss of power leaves all of it or nothing. Others may be done in part. */
  readonly isAtomic?: boolean;
  /** Whether it may do only a part, sector by sector, although it succeeds. */
  readonly isPartial?: boolean;
  /** Whether more than its window is to be compared after it. */
  readonly changesMuch?: boolean;
  /** The operations of which this one consists, in their order; left out when it is one. */
  readonly parts?: readonly Operation[];

  /** Whether it makes sense for a disk in this state. It does when left out. */
  isPossible?(model: DiskModel): boolean;
  /** Whether the disk may say no, with a `DiskError`, and be left as it was. */
  mayBeRefused?(model: DiskModel): boolean;
  perform(trial: DiskTrial, model: DiskModel): void;
  /** Does the same to the model. */
  apply(model: DiskModel): void;
  /** Where the content may have changed; left out for nowhere, or everywhere. */
  window?(model: DiskModel): GuestWindow;
  /** The same as part of a batch; left out where that is not possible. */
  asBatch?(model: DiskModel): BatchOperation;
  toString(): string;
}
