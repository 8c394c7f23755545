/** Where the structures of an image lie that are no L2 tables and no refcount blocks, and whose they are. */
import { divideUp } from '@diskfile/bytes';
import { type CoveredPart, coverage } from './coverage.ts';
import type { OwnedClusters } from './owned-clusters.ts';
import type { HostRegion } from './references.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

/** Where two structures lie in one place, others give way to the disk. */
export type Owner = 'disk' | 'refcounts' | 'others';

export class MetadataRegions {
  /** Those that the disk cannot do without. */
  readonly own: HostRegion[] = [];
  readonly #all: HostRegion[] = [];
  readonly #clusterBytes: number;
  readonly #stored: StoredRefcounts;
  readonly #owned: OwnedClusters | undefined;

  constructor(clusterBytes: number, stored: StoredRefcounts, owned: OwnedClusters | undefined) {
    this.#clusterBytes = clusterBytes;
    this.#stored = stored;
    this.#owned = owned;
  }

  add(region: HostRegion, owner: Owner): void {
    this.#all.push(region);
    if (owner === 'others') return;
    this.#owned?.addRegion(region);
    if (owner === 'disk' || this.#countsItself(region)) this.own.push(region);
  }

  /** A refcount table does so where it should be, and hardly anywhere else. */
  #countsItself({ hostOffset }: HostRegion): boolean {
    return this.#stored.isOne(Math.floor(hostOffset / this.#clusterBytes)) === true;
  }

  get clusters(): CoveredPart[] {
    return this.#clustersOf(this.#all);
  }

  /** The same without what snapshots and bitmaps take. */
  get ownClusters(): CoveredPart[] {
    return this.#clustersOf(this.own);
  }

  #clustersOf(regions: readonly HostRegion[]): CoveredPart[] {
    return coverage(
      regions.map(({ hostOffset, lengthBytes }) => ({
        start: Math.floor(hostOffset / this.#clusterBytes),
        end: divideUp(hostOffset + lengthBytes, this.#clusterBytes),
      })),
    );
  }
}
