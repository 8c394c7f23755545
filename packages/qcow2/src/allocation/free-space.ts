/** Gives space that the image no longer uses back to the host, where the host can take it. */
import { DiskError, isAllZero } from '@diskfile/bytes';
import { punchHole, readBytes, type Step, truncateStorage } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';

/** Free clusters at the end of the file that are looked for, so that closing takes no long time. */
const MAX_TAIL_CLUSTERS = 1024 * 1024;
/** Runs of clusters that are remembered until the image is closed. */
const MAX_FREED_RUNS = 65_536;

/**
 * A refcount of 0 alone does not make a cluster worthless: in an image that counts too little it may
 * be in use. So nothing is given back but what was itself given up while the image was open.
 */
export class FreeSpace {
  readonly #metadata: ImageMetadata;
  /** To be punched by the next flush. */
  readonly #runs = new ClusterRuns();
  /** All that was given up so far, whatever became of it. */
  readonly #freed = new ClusterRuns();
  #freedRuns = 0;

  constructor(metadata: ImageMetadata) {
    this.#metadata = metadata;
  }

  /** Clusters that are free, and that no read can be looking at. */
  add(runs: ClusterRuns): void {
    if (this.#metadata.keepsFreedSpace) return;
    for (const run of runs) {
      this.#runs.add(run);
      if (this.#freedRuns === MAX_FREED_RUNS) continue;
      this.#freed.add(run);
      this.#freedRuns += 1;
    }
  }

  /** Punches holes where clusters are still free. What the host refuses costs space, no more. */
  *punch(): Step<void> {
    const { freed } = this.#metadata.allocator;
    for (const { start, count } of this.#runs) {
      let free = 0;
      for (let at = start; at <= start + count; at++) {
        // Given up once more in the meantime, a cluster may have readers again.
        const isOver = at === start + count || freed.isHeld(at);
        if (!isOver && (yield* this.#isFree(at))) free += 1;
        else if (free > 0) {
          yield* this.#punchRun(at - free, free);
          free = 0;
        }
      }
    }
    this.#runs.clear();
  }

  /**
   * Whether a cluster that was given up is still free, and nothing of the image's own lies there.
   * Where the host cannot tell any more it counts as in use: all that is at stake is space.
   */
  *#isFree(cluster: number): Step<boolean> {
    const { refcounts, map } = this.#metadata;
    if (map.find(cluster, cluster + 1) !== undefined) return false;
    try {
      return (yield* refcounts.get(cluster)) === 0;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return false;
    }
  }

  /** Also what reads the same when it is behind the end, where QEMU cuts by refcounts alone. */
  *#isWorthless(cluster: number): Step<boolean> {
    const { storage, header, asQemu } = this.#metadata;
    const isFreed = this.#freed.has(cluster);
    if (!(isFreed || asQemu) || !(yield* this.#isFree(cluster))) return false;
    if (isFreed) return true;
    const { clusterBytes } = header;
    return isAllZero(yield* readBytes(storage, cluster * clusterBytes, clusterBytes));
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

  /**
   * Cuts clusters that were given up off the end of the file. What the host refuses, a block device
   * above all, costs space, no more.
   */
  *truncate(): Step<void> {
    const { storage, header } = this.#metadata;
    const fileEnd = Math.ceil(storage.sizeBytes / header.clusterBytes);
    const limit = Math.max(0, fileEnd - MAX_TAIL_CLUSTERS);
    let end = fileEnd;
    while (end > limit && (yield* this.#isWorthless(end - 1))) end -= 1;
    if (end === fileEnd) return;
    try {
      yield* truncateStorage(storage, end * header.clusterBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }
}
