/** COPIED flags of L2 tables that an operation on snapshots sets or clears. */
import { isCopied, setCopied } from '../tables/l2-entry.ts';
import type { Qcow2Header } from '../header/header.ts';
import { visitEntries, visitReferences } from './cluster-tree.ts';
import type { CountChanges } from './count-changes.ts';

/** Told of each entry that changes. */
type OnChange = (entryAt: number) => void;

const unheard: OnChange = () => {};

export interface FlagChange {
  /** Host clusters of the tables. */
  readonly tables: readonly number[];
  /** Changes the flags of a table in memory. */
  change(l2: DataView, onChange: OnChange): void;
}

/** What a snapshot and the active state use together, neither owns. */
export function clearFlags(l2: DataView, header: Qcow2Header, onChange = unheard): void {
  visitReferences(l2, header, (runAt, entries, firstCluster, _clusters, flagged) => {
    if (!flagged || !isCopied(l2.getUint32(runAt))) return;
    visitEntries(header, runAt, entries, firstCluster, (at) => {
      if (setCopied(l2, at, false)) onChange(at);
    });
  });
}

/** Clusters of which one use is left belong to whatever has it. */
export function setGainedFlags(
  l2: DataView,
  header: Qcow2Header,
  changes: CountChanges,
  onChange = unheard,
): void {
  visitReferences(l2, header, (runAt, entries, firstCluster, clusters, flagged) => {
    if (!flagged || !changes.isLowered(firstCluster, clusters)) return;
    visitEntries(header, runAt, entries, firstCluster, (at, cluster) => {
      if (changes.becomesSingle(cluster) && setCopied(l2, at, true)) onChange(at);
    });
  });
}
