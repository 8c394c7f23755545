/**
 * Which host clusters hold metadata. Nothing may be written over them but what they are for: an
 * image whose refcounts call such a cluster free is broken, and writing on would destroy it.
 */
import { countUpTo, type DiskError, divideUp } from '@diskfile/bytes';

export type MetadataKind =
  | 'header'
  | 'L1 table'
  | 'L2 table'
  | 'refcount table'
  | 'refcount block'
  | 'snapshot table'
  | "snapshot's L1 table"
  | "snapshot's L2 table"
  | 'bitmap directory'
  | 'LUKS header';

/** Names of QEMU's options, in the order in which QEMU looks. */
const OPTION_NAMES: ReadonlyMap<MetadataKind, string> = new Map([
  ['header', 'main-header'],
  ['L1 table', 'active-l1'],
  ['L2 table', 'active-l2'],
  ['refcount table', 'refcount-table'],
  ['refcount block', 'refcount-block'],
  ['snapshot table', 'snapshot-table'],
  ["snapshot's L1 table", 'inactive-l1'],
  ["snapshot's L2 table", 'inactive-l2'],
  ['bitmap directory', 'bitmap-directory'],
]);

/** Kinds of metadata that take one cluster each. */
const CLUSTER_KINDS = ['L2 table', 'refcount block'] as const;
type ClusterKind = (typeof CLUSTER_KINDS)[number];

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
  /** L2 tables and refcount blocks, which take one cluster each. */
  readonly #clusters = new Map<number, MetadataKind>();
  /** Clusters of L2 tables of snapshots, sorted, where somebody wants writes to be kept off them. */
  #inactiveTables: Float64Array = new Float64Array(0);
  /** Why nobody can tell where they lie. */
  #unknownTables: DiskError | undefined;
  /** Tables that lie upon each other as the image is opened: which was there first, and where. */
  #conflict: { readonly kind: MetadataKind; readonly hostOffset: number } | undefined;
  /** What writes are kept off, in the order in which it is named. */
  readonly #guarded: readonly MetadataKind[];

  /** @param checks names of QEMU's options; undefined for all. A LUKS header is always guarded. */
  constructor(clusterBytes: number, checks?: ReadonlySet<string>) {
    this.#clusterBytes = clusterBytes;
    const guarded = [...OPTION_NAMES].filter(
      ([, name]) => checks === undefined || checks.has(name),
    );
    this.#guarded = [...guarded.map(([kind]) => kind), 'LUKS header'];
    this.addRegion('header', 0, clusterBytes);
  }

  /** A table would lie in the place of another: with both of them changed, both would be lost. */
  noteConflict(kind: MetadataKind, hostOffset: number): void {
    this.#conflict ??= { kind, hostOffset };
  }

  get conflict(): { readonly kind: MetadataKind; readonly hostOffset: number } | undefined {
    return this.#conflict;
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
    // They were those of the snapshots of before.
    this.setInactiveTables(new Float64Array(0));
  }

  /** @param clusters sorted */
  setInactiveTables(clusters: Float64Array): void {
    this.#inactiveTables = clusters;
    this.#unknownTables = undefined;
  }

  /** Nothing can be kept off the L2 tables of snapshots, so that nothing may be written. */
  refuseWrites(reason: DiskError): void {
    this.#unknownTables = reason;
  }

  #setRegions(regions: Region[]): void {
    this.#regions = regions.toSorted((a, b) => a.start - b.start);
    let furthest = 0;
    this.#furthestEnds = this.#regions.map(({ end }) => (furthest = Math.max(furthest, end)));
  }

  addCluster(kind: ClusterKind, clusterIndex: number): void {
    // Where an image says both, its L2 table has the refcount block's place and is refused.
    if (!this.#clusters.has(clusterIndex)) this.#clusters.set(clusterIndex, kind);
  }

  removeCluster(clusterIndex: number): void {
    this.#clusters.delete(clusterIndex);
  }

  /**
   * What in the clusters from `start` to before `end` forbids to write there.
   * @param own what is to be written
   * @throws DiskError where that cannot be told
   */
  findGuarded(start: number, end: number, own?: MetadataKind): MetadataKind | undefined {
    if (this.#unknownTables !== undefined) throw this.#unknownTables;
    if (this.find(start, end) === undefined && !this.#hasInactive(start, end)) return undefined;
    const kinds = this.#kindsIn(start, end);
    return this.#guarded.find((kind) => kind !== own && kinds.has(kind));
  }

  #hasInactive(start: number, end: number): boolean {
    const next = this.#inactiveTables[countUpTo(this.#inactiveTables, start - 1)];
    return next !== undefined && next < end;
  }

  #kindsIn(start: number, end: number): Set<MetadataKind> {
    const kinds = new Set<MetadataKind>();
    for (let at = countUpTo(this.#furthestEnds, start); at < this.#regions.length; at++) {
      const region = this.#regions[at]!;
      if (region.start >= end) break;
      if (start < region.end) kinds.add(region.kind);
    }
    for (const kind of CLUSTER_KINDS) {
      if (this.#findCluster(start, end, kind) !== undefined) kinds.add(kind);
    }
    if (this.#hasInactive(start, end)) kinds.add("snapshot's L2 table");
    return kinds;
  }

  /** What metadata the clusters from `start` to before `end` hold; undefined for none. */
  find(start: number, end: number): MetadataKind | undefined {
    return this.#findCluster(start, end) ?? this.findRegion(start, end);
  }

  /** As {@link find}, for what takes one cluster, of any kind or of one. */
  #findCluster(start: number, end: number, wanted?: MetadataKind): MetadataKind | undefined {
    const isWanted = (kind: MetadataKind): boolean => wanted === undefined || kind === wanted;
    if (end - start > this.#clusters.size) {
      for (const [index, kind] of this.#clusters) {
        if (index >= start && index < end && isWanted(kind)) return kind;
      }
      return undefined;
    }
    for (let index = start; index < end; index++) {
      const kind = this.#clusters.get(index);
      if (kind !== undefined && isWanted(kind)) return kind;
    }
    return undefined;
  }

  /** As {@link find}, for what takes more than one cluster. */
  findRegion(start: number, end: number): MetadataKind | undefined {
    const region = this.#regions[countUpTo(this.#furthestEnds, start)];
    return region !== undefined && region.start < end ? region.kind : undefined;
  }
}
