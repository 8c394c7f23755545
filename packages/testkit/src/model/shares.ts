import type { Subject } from '../subject/subject.ts';

/** Disks with larger clusters take long to compare. */
const QUICK_CLUSTER_BYTES = 64 * 1024;
const SLOW_SHARE = 0.1;

/** How many of all operations each subject should do, so that none takes far longer than others. */
export function sharesOf(subjects: readonly Subject[], operations: number): number[] {
  const weights = subjects.map(({ clusterBytes }) =>
    clusterBytes <= QUICK_CLUSTER_BYTES ? 1 : SLOW_SHARE,
  );
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => Math.ceil((operations * weight) / all));
}
