/**
 * Host clusters on their way from use to reuse:
 *
 * 1. *unlinked*: no table in memory names them any longer, tables in the file may;
 * 2. *freed*: no table in the file names them either, so that their refcounts are lowered; but a
 *    read that is under way may still be fetching from them;
 * 3. *reusable*: no such read is left.
 *
 * What waits for reads is bounded in memory, whatever the pattern in which it was freed and however
 * long a read takes: sets of different flushes become one, which waits for all their reads, and
 * runs that lie close become one with what lies between them.
 */
import { ClusterRuns } from './cluster-runs.ts';
import { EndingUses } from './ending-uses.ts';
import type { ClusterRun } from './refcounts.ts';

/** Runs that are held at most, in each of two sets. */
const MAX_HELD_RUNS = 32_768;
/** Flushes whose clusters are kept apart. */
const MAX_WAITING_SETS = 64;

/** Clusters that may not be used yet. */
interface HeldClusters {
  runs: ClusterRuns;
  /** Whether it is just what was freed, and nothing that lies between. */
  isExact: boolean;
  /** How many flushes have to be reclaimed before all of it is reusable. */
  flushes: number;
}

/** What can be used again. */
export interface Reclaimed {
  /** What was freed; empty where that is no longer known exactly. */
  readonly runs: ClusterRuns;
  /** None of what was held lies before this cluster. */
  readonly from: number;
}

export class FreedClusters {
  /** What those that are unlinked come to; kept for whoever wants to use them at once. */
  ending: EndingUses | undefined;
  /** In order of unlinking; a cluster may be there several times, once for each use that ended. */
  #unlinked: { start: number; count: number }[] = [];
  /** Runs at the front of {@link #unlinked} that have been dropped. */
  #dropped = 0;
  /** Freed since the last flush that a caller asked for. */
  #fresh = newHeld();
  /** Freed by earlier flushes, oldest first; each waits for the reads of its time. */
  #waiting: HeldClusters[] = [];
  readonly #maxRuns: number;

  constructor(maxRuns = MAX_HELD_RUNS) {
    this.#maxRuns = maxRuns;
  }

  /** Runs that are kept, as a measure of the memory that they take. */
  get unlinkedRuns(): number {
    return this.#unlinked.length;
  }

  /** Whether flushes have freed clusters that reads may still be looking at. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  unlink({ start, count }: ClusterRun): void {
    this.ending?.add({ start, count });
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
    this.ending?.clear();
  }

  /** Clusters whose refcounts have come down to 0 without being unlinked. */
  addFreed(run: ClusterRun): void {
    this.ending?.noteFree(run.start);
    this.addCountedDown(run);
  }

  /** Unlinked clusters whose refcounts have come down to 0. */
  addCountedDown(run: ClusterRun): void {
    this.#fresh.runs.add(run);
    this.#bound(this.#fresh);
  }

  /** A flush has ended: reads that begin from now on cannot see what was freed before it. */
  seal(): void {
    this.#fresh.flushes = 1;
    this.#waiting.push(this.#fresh);
    this.#fresh = newHeld();
    const runs = this.#waiting.reduce((sum, held) => sum + held.runs.size, 0);
    if (runs > this.#maxRuns || this.#waiting.length > MAX_WAITING_SETS) this.#joinWaiting();
  }

  #joinWaiting(): void {
    const joined = newHeld();
    for (const { runs, isExact, flushes } of this.#waiting) {
      for (const run of runs) joined.runs.add(run);
      joined.isExact &&= isExact;
      joined.flushes += flushes;
    }
    this.#bound(joined);
    this.#waiting = [joined];
  }

  #bound(held: HeldClusters): void {
    if (held.runs.size <= this.#maxRuns) return;
    held.isExact = false;
    for (let unit = 2; held.runs.size > this.#maxRuns / 2; unit *= 2) {
      held.runs = held.runs.coarsened(unit);
    }
  }

  /** What the oldest flush freed; the reads of its time are over. */
  reclaim(): Reclaimed {
    const oldest = this.#waiting[0];
    const nothing = { runs: new ClusterRuns(), from: Infinity };
    if (oldest === undefined) return nothing;
    oldest.flushes -= 1;
    if (oldest.flushes > 0) return nothing;
    this.#waiting.shift();
    const { runs, isExact } = oldest;
    const [first] = runs;
    return { runs: isExact ? runs : nothing.runs, from: first?.start ?? Infinity };
  }

  /** Whether a cluster may not be used yet although its refcount is 0. */
  isHeld(clusterIndex: number): boolean {
    return (
      this.#fresh.runs.has(clusterIndex) || this.#waiting.some(({ runs }) => runs.has(clusterIndex))
    );
  }

  /** Whether any cluster of a run is held. */
  holdsAny(run: ClusterRun): boolean {
    return this.#fresh.runs.overlaps(run) || this.#waiting.some(({ runs }) => runs.overlaps(run));
  }

  /** Runs that are held, as a measure of the memory that they take. */
  get heldRuns(): number {
    return this.#waiting.reduce((sum, { runs }) => sum + runs.size, this.#fresh.runs.size);
  }
}

function newHeld(): HeldClusters {
  return { runs: new ClusterRuns(), isExact: true, flushes: 0 };
}
