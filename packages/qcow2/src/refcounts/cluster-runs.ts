/** A set of host clusters, kept as sorted runs. */
import { alignDown, alignUp } from '@diskfile/bytes';
import type { ClusterRun } from './refcounts.ts';

export class ClusterRuns implements Iterable<ClusterRun> {
  /** Sorted; no two touch. */
  readonly #runs: { start: number; end: number }[] = [];

  /** How many runs there are, as a measure of the memory that they take. */
  get size(): number {
    return this.#runs.length;
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  add({ start, count }: ClusterRun): void {
    const end = start + count;
    const first = this.#firstEndingFrom(start);
    let last = first;
    let merged = { start, end };
    while (last < this.#runs.length && this.#runs[last]!.start <= end) {
      const run = this.#runs[last]!;
      merged = { start: Math.min(merged.start, run.start), end: Math.max(merged.end, run.end) };
      last += 1;
    }
    this.#runs.splice(first, last - first, merged);
  }

  has(clusterIndex: number): boolean {
    const run = this.#runs[this.#firstEndingFrom(clusterIndex + 1)];
    return run !== undefined && run.start <= clusterIndex;
  }

  /** Whether any cluster of `run` is in the set. */
  overlaps({ start, count }: ClusterRun): boolean {
    const run = this.#runs[this.#firstEndingFrom(start + 1)];
    return run !== undefined && run.start < start + count;
  }

  /** A larger set in fewer runs, each of which begins and ends at a multiple of `unit` clusters. */
  coarsened(unit: number): ClusterRuns {
    const coarse = new ClusterRuns();
    for (const { start, end } of this.#runs) {
      const from = alignDown(start, unit);
      coarse.add({ start: from, count: alignUp(end, unit) - from });
    }
    return coarse;
  }

  clear(): void {
    this.#runs.length = 0;
  }

  *[Symbol.iterator](): Iterator<ClusterRun> {
    for (const { start, end } of this.#runs) yield { start, count: end - start };
  }

  /** Index of the first run that ends at `clusterIndex` or later. */
  #firstEndingFrom(clusterIndex: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#runs[middle]!.end < clusterIndex) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
