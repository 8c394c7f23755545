/**
 * Host clusters on their way from use to reuse:
 *
 * 1. *unlinked*: no table in memory names them any longer, tables in the file may;
 * 2. *freed*: no table in the file names them either, so that their refcounts are lowered; but a
 *    read that is under way may still be fetching from them;
 * 3. *reusable*: no such read is left.
 */
import { ClusterRuns } from './cluster-runs.ts';
import type { ClusterRun } from './refcounts.ts';

export class FreedClusters {
  /** In order of unlinking; a cluster may be there several times, once for each use that ended. */
  #unlinked: { start: number; count: number }[] = [];
  /** Runs at the front of {@link #unlinked} that have been dropped. */
  #dropped = 0;
  /** Freed since the last flush that a caller asked for. */
  #fresh = new ClusterRuns();
  /** Freed by earlier flushes, oldest first; each waits for the reads of its time. */
  readonly #waiting: ClusterRuns[] = [];

  /** Runs that are kept, as a measure of the memory that they take. */
  get unlinkedRuns(): number {
    return this.#unlinked.length;
  }

  unlink({ start, count }: ClusterRun): void {
    const last = this.#unlinked.at(-1);
    if (last !== undefined && last.start + last.count === start) last.count += count;
    else this.#unlinked.push({ start, count });
  }

  /** The next run to free. */
  firstUnlinked(): ClusterRun | undefined {
    return this.#unlinked[this.#dropped];
  }

  /** The first `count` clusters of the first run are dealt with. */
  dropUnlinked(count: number): void {
    const first = this.#unlinked[this.#dropped]!;
    first.start += count;
    first.count -= count;
    if (first.count === 0) this.#dropped += 1;
    if (this.#dropped < this.#unlinked.length) return;
    this.#unlinked = [];
    this.#dropped = 0;
  }

  /** A cluster whose refcount has come down to 0. */
  addFreed(run: ClusterRun): void {
    this.#fresh.add(run);
  }

  /** A flush has ended: reads that begin from now on cannot see what was freed before it. */
  seal(): void {
    this.#waiting.push(this.#fresh);
    this.#fresh = new ClusterRuns();
  }

  /** What the oldest flush freed; the reads of its time are over. */
  reclaim(): ClusterRuns {
    return this.#waiting.shift() ?? new ClusterRuns();
  }

  /** Whether a cluster may not be used yet although its refcount is 0. */
  isHeld(clusterIndex: number): boolean {
    return this.#fresh.has(clusterIndex) || this.#waiting.some((runs) => runs.has(clusterIndex));
  }
}
