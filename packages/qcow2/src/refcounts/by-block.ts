import type { ClusterRun, Refcounts } from './refcounts.ts';

/** The parts of a run that one refcount block counts each. */
export function* byBlock(
  refcounts: Refcounts,
  { start, count }: ClusterRun,
): Generator<ClusterRun> {
  const end = start + count;
  for (let at = start; at < end;) {
    const part = refcounts.withinBlock({ start: at, count: end - at });
    yield part;
    at += part.count;
  }
}
