/**
 * The search for free host clusters: it takes the first run that is long enough, from where the last
 * one ended. In an image that is written as QEMU writes it, clusters that were given up count as
 * free at once; whoever comes to some of them has to see to a flush first.
 */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { byBlock } from '../refcounts/by-block.ts';
import type { EndingUses } from '../refcounts/ending-uses.ts';
import type { FreedClusters } from '../refcounts/freed-clusters.ts';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';
import type { PackedSpace } from './packed-space.ts';
import { tooLarge } from './too-large.ts';

/** Offsets in L2 entries end at bit 55. */
const MAX_HOST_BYTES = Math.min(2 ** 56, Number.MAX_SAFE_INTEGER);

export class FreeSearch {
  /** Where the next search begins; no cluster before it is free, but for some left behind. */
  next = 0;
  /** Whether clusters can be found that were given up. */
  countsFreed = false;
  readonly #refcounts: Refcounts;
  readonly #freed: FreedClusters;
  readonly #packed: PackedSpace;

  constructor(refcounts: Refcounts, freed: FreedClusters, packed: PackedSpace) {
    this.#refcounts = refcounts;
    this.#freed = freed;
    this.#packed = packed;
  }

  /**
   * First of `count` free clusters in a row, the nearest from where the last search ended.
   * @param withFreed whether those count that are free after a flush, where they are used at once
   */
  *find(count: number, withFreed = false): Step<number> {
    const { clustersPerBlock, clusterBytes } = this.#refcounts;
    let found = 0;
    let at = this.next;
    while (found < count) {
      const block = yield* this.#refcounts.load(this.#refcounts.blockIndexOf(at));
      const rest = clustersPerBlock - (at % clustersPerBlock);
      const end = at + rest;
      const canTakeAll =
        (withFreed && this.countsFreed) || !this.#freed.holdsAny({ start: at, count: rest });
      if (block === undefined && canTakeAll) {
        const taken = Math.min(rest, count - found);
        found += taken;
        at += taken;
      }
      for (; at < end && found < count; at++) {
        const free = block === undefined || block.isZero(at % clustersPerBlock);
        const isUsable = free ? this.#mayTake(at, withFreed) : withFreed && this.#isEnding(at);
        found = isUsable ? found + 1 : 0;
      }
      if (at * clusterBytes > MAX_HOST_BYTES) throw tooLarge();
    }
    this.next = at;
    const start = at - count;
    this.#packed.forget({ start, count });
    return start;
  }

  /** How many clusters from the start of a run on are free. */
  *countFree({ start, count }: ClusterRun, withFreed = false): Step<number> {
    let free = 0;
    while (free < count && this.#mayTake(start + free, withFreed)) {
      const isCounted = (yield* this.#refcounts.get(start + free)) > 0;
      if (isCounted && !(withFreed && this.#isEnding(start + free))) break;
      free += 1;
    }
    return free;
  }

  /** Whether a cluster that is not counted can be used. */
  #mayTake(cluster: number, withFreed: boolean): boolean {
    return (withFreed && this.countsFreed) || !this.#freed.isHeld(cluster);
  }

  /** Whether a cluster that is counted will not be for long. */
  #isEnding(cluster: number): boolean {
    return this.#freed.ending?.has(cluster) === true;
  }

  /** Whether a flush has to come before these clusters are used. */
  awaitsFlush(run: ClusterRun): boolean {
    if (!this.countsFreed || run.count === 0) return false;
    return this.#freed.ending!.overlaps(run) || this.#freed.holdsAny(run);
  }

  /** Lets the next search begin where QEMU's does: at the first cluster that has become free. */
  *noteFreed(withNews: boolean): Step<void> {
    const { ending } = this.#freed;
    if (ending === undefined) return;
    if (withNews) yield* this.noteEnding(ending);
    this.next = Math.min(this.next, ending.takeLowest());
  }

  *noteEnding(ending: EndingUses): Step<void> {
    for (const run of ending.takeNews()) {
      for (const part of byBlock(this.#refcounts, run)) {
        try {
          const counts = yield* this.#refcounts.counts(part);
          for (const [index, count] of counts.entries()) ending.end(part.start + index, count);
        } catch (error) {
          // Nobody will count them down either.
          if (!(error instanceof DiskError)) throw error;
        }
      }
    }
  }
}
