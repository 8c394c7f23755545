/**
 * Space for compressed clusters, which are packed one behind another regardless of where host
 * clusters begin. Each of them counts as one use of every host cluster that it touches.
 */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { ClusterRun, Refcounts } from '../refcounts/refcounts.ts';

/** Where new host clusters come from. */
interface ClusterSource {
  allocate(count: number, use: 'compressed cluster'): Step<number>;
  release(run: ClusterRun): Step<void>;
}

export class PackedSpace {
  /** Whether to go on, as QEMU does, where all that was packed before is gone. */
  goesOnInFree = false;
  readonly #source: ClusterSource;
  readonly #refcounts: Refcounts;
  /** Where the last compressed cluster ends, when its host cluster has room left. */
  #end: number | undefined;

  constructor(source: ClusterSource, refcounts: Refcounts) {
    this.#source = source;
    this.#refcounts = refcounts;
  }

  /**
   * Takes space behind the last compressed cluster where its host cluster has room, else in a new
   * host cluster; where that follows the old one, the data begins in what is left of the old one.
   * @param lengthBytes less than a cluster
   * @param limitBytes where host offsets have to end
   * @returns host offset in bytes
   */
  *take(lengthBytes: number, limitBytes: number): Step<number> {
    const { clusterBytes } = this.#refcounts;
    yield* this.#refcounts.announce('cluster_alloc_bytes');
    const end = yield* this.#usableEnd();
    if (end === undefined) {
      return this.#packed((yield* this.#newCluster(limitBytes)) * clusterBytes, lengthBytes);
    }
    const old = { start: Math.floor(end / clusterBytes), count: 1 };
    if ((end % clusterBytes) + lengthBytes <= clusterBytes) {
      yield* this.#refcounts.raise(old);
      return this.#packed(end, lengthBytes);
    }
    const following = { start: old.start + 1, count: 1 };
    // As in QEMU, the rest of the old cluster is given up where a refcount block has to be made.
    const goesOn = this.#refcounts.firstWithoutBlock(following) === undefined;
    const cluster = yield* this.#newCluster(limitBytes);
    if (!goesOn || cluster !== following.start) {
      return this.#packed(cluster * clusterBytes, lengthBytes);
    }
    try {
      yield* this.#refcounts.raise(old);
    } catch (error) {
      yield* this.#source.release(following);
      throw error;
    }
    return this.#packed(end, lengthBytes);
  }

  /** Gives back space that no table ever named. */
  *release(hostOffset: number, lengthBytes: number): Step<void> {
    const { clusterBytes } = this.#refcounts;
    const start = Math.floor(hostOffset / clusterBytes);
    const end = Math.ceil((hostOffset + lengthBytes) / clusterBytes);
    yield* this.#source.release({ start, count: end - start });
  }

  /** These clusters get another use. */
  forget({ start, count }: ClusterRun): void {
    if (this.#end === undefined) return;
    const cluster = Math.floor(this.#end / this.#refcounts.clusterBytes);
    if (cluster >= start && cluster < start + count) this.#end = undefined;
  }

  /** Notes where the next one can begin. @returns `start` */
  #packed(start: number, lengthBytes: number): number {
    const end = start + lengthBytes;
    this.#end = end % this.#refcounts.clusterBytes === 0 ? undefined : end;
    return start;
  }

  *#usableEnd(): Step<number | undefined> {
    const end = this.#end;
    if (end === undefined) return undefined;
    const count = yield* this.#refcounts.get(Math.floor(end / this.#refcounts.clusterBytes));
    // None: all that was packed there is gone, and the cluster on its way to some other use.
    return (count === 0 && !this.goesOnInFree) || count >= this.#refcounts.maxCount
      ? undefined
      : end;
  }

  *#newCluster(limitBytes: number): Step<number> {
    const cluster = yield* this.#source.allocate(1, 'compressed cluster');
    if ((cluster + 1) * this.#refcounts.clusterBytes <= limitBytes) return cluster;
    yield* this.#source.release({ start: cluster, count: 1 });
    throw beyondReach();
  }
}

function beyondReach(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.compressed-offset',
    'The image file has grown beyond where compressed clusters can lie',
    { hint: 'Write without compression, or convert the image to one with smaller clusters.' },
  );
}
