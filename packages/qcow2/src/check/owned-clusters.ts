/**
 * Clusters of what the disk is read by, and of the refcounts. Whatever else names them, be it the
 * tables of snapshots or of bitmaps, has to leave them alone.
 */
import { divideUp } from '@diskfile/bytes';
import { ReferenceTally } from '../refcounts/reference-tally.ts';
import type { HostRegion } from './references.ts';

export class OwnedClusters {
  readonly #clusterBytes: number;
  readonly #tally: ReferenceTally;

  /** @param maxBytes memory that counting may take */
  constructor(clusterBytes: number, maxBytes: number) {
    this.#clusterBytes = clusterBytes;
    this.#tally = new ReferenceTally(maxBytes);
  }

  addClusters(clusterIndex: number, clusters: number, times: number): void {
    if (times > 0) this.#tally.addRun(clusterIndex, clusters, times);
  }

  addRegion({ hostOffset, lengthBytes }: HostRegion, times = 1): void {
    const start = Math.floor(hostOffset / this.#clusterBytes);
    const end = divideUp(hostOffset + lengthBytes, this.#clusterBytes);
    if (end > start) this.addClusters(start, end - start, times);
  }

  /** How many of these things take a cluster. */
  count(clusterIndex: number): number {
    return this.#tally.get(clusterIndex);
  }
}
