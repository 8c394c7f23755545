/**
 * Which host clusters are the bitmaps' own. What an image says of them may be wrong, and a cluster
 * that is given back although something else uses it would be overwritten some day. So only what
 * lies where nothing else does, and is counted as used, is ever given back.
 */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

export class ClusterClaims {
  readonly #metadata: ImageMetadata;
  readonly #claimed = new ClusterRuns();

  constructor(metadata: ImageMetadata) {
    this.#metadata = metadata;
  }

  /** Claims all of the runs, or none. @returns whether they could be claimed */
  *claim(runs: readonly ClusterRun[]): Step<boolean> {
    const own = new ClusterRuns();
    for (const run of runs) {
      if (!this.#isFree(run) || own.overlaps(run) || !(yield* this.#isInUse(run))) return false;
      own.add(run);
    }
    for (const run of own) this.#claimed.add(run);
    return true;
  }

  #isFree(run: ClusterRun): boolean {
    const kind = this.#metadata.map.find(run.start, run.start + run.count);
    return kind === undefined && !this.#claimed.overlaps(run);
  }

  *#isInUse(run: ClusterRun): Step<boolean> {
    try {
      yield* this.#metadata.refcounts.checkInUse(run);
      return true;
    } catch (error) {
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
      return false;
    }
  }
}
