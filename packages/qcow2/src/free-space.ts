/** Gives space that the image no longer uses back to the host, where the host can take it. */
import { DiskError } from '@diskfile/bytes';
import { punchHole, type Step, truncateStorage } from '@diskfile/core';
import type { ImageMetadata } from './metadata.ts';
import { ClusterRuns } from './refcounts/cluster-runs.ts';

/** Free clusters at the end of the file that are looked for, so that closing takes no long time. */
const MAX_TAIL_CLUSTERS = 1024 * 1024;

export class FreeSpace {
  readonly #metadata: ImageMetadata;
  readonly #runs = new ClusterRuns();
  #anyFreed = false;

  constructor(metadata: ImageMetadata) {
    this.#metadata = metadata;
  }

  /** Clusters that are free, and that no read can be looking at. */
  add(runs: ClusterRuns): void {
    for (const run of runs) {
      this.#runs.add(run);
      this.#anyFreed = true;
    }
  }

  /** Punches holes where clusters are still free. What the host refuses costs space, no more. */
  *punch(): Step<void> {
    for (const { start, count } of this.#runs) {
      let free = 0;
      for (let at = start; at <= start + count; at++) {
        if (at < start + count && (yield* this.#metadata.refcounts.get(at)) === 0) free += 1;
        else if (free > 0) {
          yield* this.#punchRun(at - free, free);
          free = 0;
        }
      }
    }
    this.#runs.clear();
  }

  *#punchRun(start: number, count: number): Step<void> {
    const { storage, header } = this.#metadata;
    const offset = start * header.clusterBytes;
    const lengthBytes = Math.min(count * header.clusterBytes, storage.sizeBytes - offset);
    if (lengthBytes <= 0) return;
    try {
      yield* punchHole(storage, offset, lengthBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Cuts free clusters off the end of the file, when any were freed. */
  *truncate(): Step<void> {
    if (!this.#anyFreed) return;
    const { storage, header, refcounts } = this.#metadata;
    const fileEnd = Math.ceil(storage.sizeBytes / header.clusterBytes);
    let end = fileEnd;
    while (end > fileEnd - MAX_TAIL_CLUSTERS && (yield* refcounts.get(end - 1)) === 0) end -= 1;
    if (end < fileEnd) yield* truncateStorage(storage, end * header.clusterBytes);
  }
}
