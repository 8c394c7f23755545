/** What the tables of a tree refer to, and which COPIED flags in them follow from that. */
import type { Step } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import { isCopied } from '../tables/l2-entry.ts';
import type { ReferenceTally } from '../refcounts/reference-tally.ts';
import { type ClusterTree, visitReferences } from './cluster-tree.ts';
import type { CountChanges } from './count-changes.ts';

/** Counts all references to guest data. Returns which tables call clusters their own. */
export function* addReferences(
  tree: ClusterTree,
  header: Qcow2Header,
  tally: ReferenceTally,
): Step<number[]> {
  const owning: number[] = [];
  yield* tree.visitTables((l2, position) => {
    let owns = false;
    visitReferences(l2, header, (at, _entries, firstCluster, clusters, flagged) => {
      tally.addRun(firstCluster, clusters, 1);
      if (flagged && isCopied(l2.getUint32(at))) owns = true;
    });
    if (owns) owning.push(position);
  });
  return owning;
}

/** Counts the references to the tables themselves. */
export function addTables(tree: ClusterTree, tally: ReferenceTally): void {
  for (const cluster of tree.tableClusters()) tally.addRun(cluster, 1, 1);
}

/**
 * Tables that get flags, because of some cluster in them one use is left.
 * @param positions of the tables that are looked at; undefined for all
 * @throws DiskError `corrupt` for what is used and would not be counted
 */
export function* findGained(
  tree: ClusterTree,
  header: Qcow2Header,
  changes: CountChanges,
  positions?: readonly number[],
): Step<number[]> {
  const gained: number[] = [];
  yield* tree.visitTables((l2, position) => {
    changes.refuseUnused(tree.clusterOf(position));
    let gains = false;
    visitReferences(l2, header, (at, _entries, firstCluster, clusters, flagged) => {
      if (!changes.isLowered(firstCluster, clusters)) return;
      const isOwn = flagged && isCopied(l2.getUint32(at));
      for (let cluster = firstCluster; cluster < firstCluster + clusters; cluster++) {
        changes.refuseUnused(cluster);
        if (flagged && !isOwn && changes.becomesSingle(cluster)) gains = true;
      }
    });
    if (gains) gained.push(position);
  }, positions);
  return gained;
}
