/** What an operation on snapshots writes beside what there is, worked out before it is written. */
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { Snapshot } from './snapshots.ts';
import type { ClusterTree } from './cluster-tree.ts';
import type { CountChanges } from './count-changes.ts';

export interface ShadowPlan {
  readonly sizeBytes: number;
  readonly changes: CountChanges;
  /** What becomes active. Its L2 tables are used where they are, but for {@link copies}. */
  readonly active: ClusterTree;
  readonly l1Entries: number;
  /** Places in the list of the tree's tables of those that are copied, in order. */
  readonly copies: readonly number[];
  /** Brings the COPIED flags of a copied table to what they have to be. */
  setFlags(l2: DataView): void;
  /** Whether an L2 table that is not copied is the active state's own. */
  isOwn(position: number): boolean;
  readonly snapshots: readonly Snapshot[];
  /** Clusters of tables that nothing uses any more, besides what {@link changes} counts. */
  readonly givenUp: readonly ClusterRun[];
}
