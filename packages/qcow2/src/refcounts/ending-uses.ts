/**
 * Which clusters are free as soon as the uses that have ended are counted down. QEMU counts them down
 * at once, so that its next search for space begins there; here they wait for a flush.
 */
import { ClusterRuns } from './cluster-runs.ts';
import type { ClusterRun } from './refcounts.ts';

export class EndingUses {
  /** Uses that have ended, and that have not been looked at yet. */
  #news: { start: number; count: number }[] = [];
  /** How many uses of a cluster have ended that has more. */
  readonly #ended = new Map<number, number>();
  readonly #free = new ClusterRuns();
  #lowest = Infinity;

  /** Entries that are kept, as a measure of the memory that they take. */
  get size(): number {
    return this.#ended.size + this.#free.size + this.#news.length;
  }

  /** One use of each of these clusters has ended. */
  add({ start, count }: ClusterRun): void {
    const last = this.#news.at(-1);
    if (last !== undefined && last.start + last.count === start) last.count += count;
    else this.#news.push({ start, count });
  }

  /** Those of {@link add} since the last call. */
  takeNews(): readonly ClusterRun[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /** @param count how often a cluster is counted of which one more use has ended */
  end(cluster: number, count: number): void {
    if (count === 0) return;
    const ended = (this.#ended.get(cluster) ?? 0) + 1;
    if (ended < count) {
      this.#ended.set(cluster, ended);
      return;
    }
    this.#ended.delete(cluster);
    this.#free.add({ start: cluster, count: 1 });
    this.noteFree(cluster);
  }

  /** A cluster that is free from now on, whether or not anything waits for it. */
  noteFree(cluster: number): void {
    this.#lowest = Math.min(this.#lowest, cluster);
  }

  /** The lowest cluster that has become free since the last call. */
  takeLowest(): number {
    const lowest = this.#lowest;
    this.#lowest = Infinity;
    return lowest;
  }

  /** Whether a cluster that is counted is free once that is counted down. */
  has(cluster: number): boolean {
    return !this.#free.isEmpty && this.#free.has(cluster);
  }

  overlaps(run: ClusterRun): boolean {
    return !this.#free.isEmpty && this.#free.overlaps(run);
  }

  /** All uses that have ended are counted down. */
  clear(): void {
    this.#ended.clear();
    this.#free.clear();
  }
}
