/** Clusters that were taken for something new and are given back should it not come to be. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { ClusterAllocator } from '../allocation/allocator.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

export class NewClusters {
  readonly #allocator: ClusterAllocator;
  readonly #runs: ClusterRun[] = [];

  constructor(allocator: ClusterAllocator) {
    this.#allocator = allocator;
  }

  /** Takes neighbouring clusters. @returns the first */
  *allocate(count: number): Step<number> {
    const start = yield* this.#allocator.allocate(count);
    this.#runs.push({ start, count });
    return start;
  }

  /** Gives all back at once: nothing on the host can name them. */
  *release(): Step<void> {
    for (const run of this.#runs) {
      try {
        yield* this.#allocator.release(run);
      } catch (error) {
        // At worst they are leaked; what went wrong before is what matters.
        if (!(error instanceof DiskError)) throw error;
      }
    }
  }

  /** Gives all back with the next ordered write: until then the header may name them. */
  unlink(): void {
    for (const run of this.#runs) this.#allocator.freed.unlink(run);
  }
}
