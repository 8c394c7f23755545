/** Counts what the image refers to, and finds references to places where nothing can be. */
import { alignUp, divideUp } from '@diskfile/bytes';
import { hex } from '../errors.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import type { ReferenceTally } from '../refcounts/reference-tally.ts';
import { coverage } from './coverage.ts';
import type { Findings } from './findings.ts';

const SECTOR_BYTES = 512;
/** How far beyond the end of the file new structures may begin. */
export const NEARBY_BYTES = 64 * 1024 * 1024;
/** Places beyond the end that are remembered. */
const MAX_NOTED = 10_000;

export interface ReferenceBounds {
  readonly clusterBytes: number;
  readonly fileBytes: number;
  /** The largest refcount that the image can store. */
  readonly countMax: number;
}

/** Something that takes a range of the image file. */
export interface HostRegion {
  readonly hostOffset: number;
  readonly lengthBytes: number;
}

export class References {
  readonly tally: ReferenceTally;
  /** In whole sectors, in which QEMU measures files. */
  readonly fileBytes: number;
  /** Clusters that the file has; the last may be cut. */
  readonly fileClusters: number;
  readonly #clusterBytes: number;
  readonly #countMax: number;
  readonly #findings: Findings;
  /** Clusters not far beyond the end of the file that something names all the same. */
  readonly #beyond = new ClusterRuns();
  #beyondNoted = 0;

  constructor(bounds: ReferenceBounds, tally: ReferenceTally, findings: Findings) {
    this.tally = tally;
    this.fileBytes = alignUp(bounds.fileBytes, SECTOR_BYTES);
    this.fileClusters = divideUp(bounds.fileBytes, bounds.clusterBytes);
    this.#clusterBytes = bounds.clusterBytes;
    this.#countMax = bounds.countMax;
    this.#findings = findings;
  }

  /** Whether new structures may lie there: no reference to what was beyond the end names it. */
  isFree(start: number, end: number): boolean {
    if (this.#beyondNoted > MAX_NOTED) return false;
    return !this.#beyond.overlaps({ start, count: end - start });
  }

  /** Clusters that the file has, or that are referred to beyond its end. */
  get clusters(): number {
    return Math.max(this.fileClusters, this.tally.end);
  }

  /** References to a cluster, as far as refcounts of the image can count them. */
  count(clusterIndex: number): number {
    return Math.min(this.tally.get(clusterIndex), this.#countMax);
  }

  /** The last cluster may be cut, but nothing may end a whole cluster or more past the file. */
  isBeyondEnd(hostOffset: number, lengthBytes: number): boolean {
    return hostOffset + lengthBytes - this.fileBytes >= this.#clusterBytes;
  }

  /** Counts whole clusters that follow each other, all within the file. */
  addClusters(clusterIndex: number, clusters: number, times: number): void {
    if (this.tally.addRun(clusterIndex, clusters, times) <= this.#countMax) return;
    for (let index = clusterIndex; index < clusterIndex + clusters; index++) {
      const excess = this.tally.get(index) - this.#countMax;
      if (excess > 0) this.#tooMany(index, Math.min(times, excess));
    }
  }

  /**
   * Counts the clusters that a range touches.
   * @param what it is, for people
   * @returns false for a range beyond the end of the file, which is not counted
   */
  addRegion(what: string, region: HostRegion, times = 1): boolean {
    const { hostOffset, lengthBytes } = region;
    if (lengthBytes <= 0) return true;
    if (this.isBeyondEnd(hostOffset, lengthBytes)) {
      this.#beyondEnd(what, region, times);
      return false;
    }
    const end = divideUp(hostOffset + lengthBytes, this.#clusterBytes);
    const start = Math.floor(hostOffset / this.#clusterBytes);
    this.addClusters(start, end - start, times);
    return true;
  }

  /**
   * As {@link addRegion} for many that may lie on top of each other.
   * @returns those within the file
   */
  addRegions(what: string, regions: readonly HostRegion[]): HostRegion[] {
    const within = regions.filter(({ hostOffset, lengthBytes }) => {
      const inside = lengthBytes <= 0 || !this.isBeyondEnd(hostOffset, lengthBytes);
      if (!inside) this.#beyondEnd(what, { hostOffset, lengthBytes }, 1);
      return inside && lengthBytes > 0;
    });
    const clusters = within.map(({ hostOffset, lengthBytes }) => ({
      start: Math.floor(hostOffset / this.#clusterBytes),
      end: divideUp(hostOffset + lengthBytes, this.#clusterBytes),
    }));
    for (const { start, end, times } of coverage(clusters)) {
      this.addClusters(start, end - start, times);
    }
    return within;
  }

  /**
   * Something names a place beyond the end, which would come to be within if the file grew. What
   * begins before the end is damaged as a whole, and does not keep anything off.
   */
  noteBeyondEnd(hostOffset: number, lengthBytes = this.#clusterBytes): void {
    const isNear = hostOffset <= this.fileBytes + 2 * NEARBY_BYTES;
    const start = Math.floor(hostOffset / this.#clusterBytes);
    if (!isNear || start < this.fileClusters || this.#beyondNoted > MAX_NOTED) return;
    const end = divideUp(hostOffset + lengthBytes, this.#clusterBytes);
    this.#beyond.add({ start, count: end - start });
    this.#beyondNoted += 1;
  }

  #beyondEnd(what: string, { hostOffset, lengthBytes }: HostRegion, times: number): void {
    this.noteBeyondEnd(hostOffset, lengthBytes);
    this.#findings.brokenReference(times, () => ({
      detail: 'qcow2.check.beyond-end',
      message: `The ${what} at ${hex(hostOffset)} lies beyond the end of the file`,
      hostOffset,
    }));
  }

  #tooMany(clusterIndex: number, times: number): void {
    const hostOffset = clusterIndex * this.#clusterBytes;
    this.#findings.corruption(times, () => ({
      detail: 'qcow2.check.refcount-overflow',
      message: `The cluster at ${hex(hostOffset)} is used more often than a refcount can say`,
      hostOffset,
    }));
  }
}
