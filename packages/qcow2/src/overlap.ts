/**
 * Which host clusters hold metadata. Nothing may be written over them but what they are for: an
 * image whose refcounts call such a cluster free is broken, and writing on would destroy it.
 */
import { divideUp } from '@diskfile/bytes';

export type MetadataKind =
  | 'header'
  | 'L1 table'
  | 'L2 table'
  | 'refcount table'
  | 'refcount block'
  | 'snapshot table'
  | "snapshot's L1 table"
  | 'bitmap directory'
  | 'LUKS header';

interface Region {
  readonly kind: MetadataKind;
  readonly start: number;
  readonly end: number;
}

export class MetadataMap {
  readonly #clusterBytes: number;
  /** Tables of several clusters, sorted by their start. */
  #regions: Region[] = [];
  /** Furthest end of a region up to each place in {@link #regions}, since they may overlap. */
  #furthestEnds: number[] = [];
  /** The same clusters without overlaps, sorted: an image may pile very many tables up. */
  #pieces: Region[] = [];
  /** L2 tables and refcount blocks, which take one cluster each. */
  readonly #clusters = new Map<number, MetadataKind>();

  constructor(clusterBytes: number) {
    this.#clusterBytes = clusterBytes;
    this.addRegion('header', 0, clusterBytes);
  }

  addRegion(kind: MetadataKind, hostOffset: number, lengthBytes: number): void {
    this.addRegions([{ kind, hostOffset, lengthBytes }]);
  }

  addRegions(
    regions: readonly { kind: MetadataKind; hostOffset: number; lengthBytes: number }[],
  ): void {
    const added = regions
      .filter(({ lengthBytes }) => lengthBytes > 0)
      .map(({ kind, hostOffset, lengthBytes }) => ({
        kind,
        start: Math.floor(hostOffset / this.#clusterBytes),
        end: divideUp(hostOffset + lengthBytes, this.#clusterBytes),
      }));
    this.#setRegions([...this.#regions, ...added]);
  }

  /** Forgets all regions of a kind: the table has moved. */
  removeRegions(kind: MetadataKind): void {
    this.#setRegions(this.#regions.filter((region) => region.kind !== kind));
  }

  /** Two that share a cluster, and where; undefined when each has its own place. */
  findOverlap():
    | { kinds: readonly [MetadataKind, MetadataKind]; clusterIndex: number }
    | undefined {
    for (const [index, { start, kind }] of this.#regions.entries()) {
      if (index === 0 || this.#furthestEnds[index - 1]! <= start) continue;
      const other = this.#regions.slice(0, index).find(({ end }) => end > start)!;
      return { kinds: [kind, other.kind], clusterIndex: start };
    }
    for (const [clusterIndex, kind] of this.#clusters) {
      const other = this.findRegion(clusterIndex, clusterIndex + 1);
      if (other !== undefined) return { kinds: [kind, other], clusterIndex };
    }
    return undefined;
  }

  /** All clusters that hold metadata. */
  *clusters(): Iterable<{ kind: MetadataKind; clusterIndex: number }> {
    for (const [clusterIndex, kind] of this.#clusters) yield { kind, clusterIndex };
    for (const { kind, start, end } of this.#regions) {
      for (let clusterIndex = start; clusterIndex < end; clusterIndex++)
        yield { kind, clusterIndex };
    }
  }

  /** Takes over what `other` knows of these kinds, in the place of what is known here. */
  replaceKinds(other: MetadataMap, kinds: ReadonlySet<MetadataKind>): void {
    const kept = this.#regions.filter(({ kind }) => !kinds.has(kind));
    this.#setRegions([...kept, ...other.#regions.filter(({ kind }) => kinds.has(kind))]);
    for (const [clusterIndex, kind] of this.#clusters) {
      if (kinds.has(kind)) this.#clusters.delete(clusterIndex);
    }
    for (const [clusterIndex, kind] of other.#clusters) {
      if (kinds.has(kind)) this.#clusters.set(clusterIndex, kind);
    }
  }

  #setRegions(regions: Region[]): void {
    this.#regions = regions.toSorted((a, b) => a.start - b.start);
    let furthest = 0;
    this.#pieces = [];
    this.#furthestEnds = this.#regions.map(({ kind, start, end }) => {
      if (end > furthest) {
        this.#pieces.push({ kind, start: Math.max(start, furthest), end });
        furthest = end;
      }
      return furthest;
    });
  }

  addCluster(kind: 'L2 table' | 'refcount block', clusterIndex: number): void {
    // Where an image says both, its L2 table has the refcount block's place and is refused.
    if (!this.#clusters.has(clusterIndex)) this.#clusters.set(clusterIndex, kind);
  }

  removeCluster(clusterIndex: number): void {
    this.#clusters.delete(clusterIndex);
  }

  /** What metadata the clusters from `start` to before `end` hold; undefined for none. */
  find(start: number, end: number): MetadataKind | undefined {
    for (let index = start; index < end && this.#clusters.size > 0; index++) {
      const kind = this.#clusters.get(index);
      if (kind !== undefined) return kind;
    }
    return this.findRegion(start, end);
  }

  /** As {@link find}, for what takes more than one cluster. */
  findRegion(start: number, end: number): MetadataKind | undefined {
    const piece = this.#pieces[this.#firstEndingBehind(start)];
    return piece !== undefined && piece.start < end ? piece.kind : undefined;
  }

  /** Index of the first piece that ends behind `clusterIndex`. */
  #firstEndingBehind(clusterIndex: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#pieces[middle]!.end <= clusterIndex) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
