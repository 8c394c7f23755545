/** What an operation on snapshots changes where it lies, worked out before anything is written. */
import type { TableReference } from '../header/header-places.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { Snapshot } from './snapshots.ts';
import type { CountChanges } from './count-changes.ts';
import type { FlagChange } from './flag-change.ts';

export interface InPlacePlan {
  /** Of the disk, afterwards. */
  readonly sizeBytes: number;
  readonly changes: CountChanges;
  /** L2 tables with COPIED flags that change, of the active state and of snapshots. */
  readonly flags: readonly FlagChange[];
  /** The active L1 table as it is, and as it is to be: both have all of its entries. */
  readonly l1Before: Uint8Array;
  readonly l1After: Uint8Array;
  /** A snapshot's L1 table with other flags. */
  readonly snapshotL1?: { readonly hostOffset: number; readonly bytes: Uint8Array };
  /** Whether a new snapshot gets a copy of the active L1 table as it is. */
  readonly keepsL1: boolean;
  /** The snapshots afterwards; undefined where their table stays. @param l1Copy where the copy is */
  readonly snapshots?: (l1Copy: TableReference) => readonly Snapshot[];
  /** Clusters of tables that nothing uses any more, besides what {@link changes} counts. */
  readonly givenUp: readonly ClusterRun[];
}
