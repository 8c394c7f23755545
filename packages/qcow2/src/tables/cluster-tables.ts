/** L2 tables as the writer works on them: tables of the image's own, and changes that give up clusters. */
import { DiskError, maskBits } from '@diskfile/bytes';
import type { DiskWarning, Step, WritableStorage } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import {
  type ClusterEntry,
  compressedClusters,
  type EntryFormat,
  entryFormat,
  newClusterEntry,
} from './cluster-entry.ts';
import { invalidBitmap } from './extended-entries.ts';
import type { HostClusters } from '../allocation/host-clusters.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { TableSlice } from './table-cache.ts';

/**
 * Changes `entry` and says what that means: nothing changed, a change, or a change that no longer
 * uses the host cluster (or compressed data) of before. `stop` ends the walk before this entry.
 */
export type EntryChange = (
  entry: ClusterEntry,
  guestOffset: number,
) => 'keep' | 'change' | 'release' | 'stop';

/** Brings tables to the host as soon as they are made. */
export interface TableLinks {
  /** Comes before a table: the counts of its place. */
  writeCounts(): Step<void>;
  /** Writes new tables, and the entries that name them. */
  linkTables(): Step<void>;
}

export class ClusterTables {
  readonly metadata: ImageMetadata;
  readonly format: EntryFormat;
  readonly clusterBytes: number;
  /** A cluster, or a subcluster of an extended entry. */
  readonly unitBytes: number;
  readonly #clusters: HostClusters;
  /** Undefined where new L2 tables may wait for the next flush. */
  readonly #links: TableLinks | undefined;
  readonly #entry = newClusterEntry();

  constructor(metadata: ImageMetadata, clusters: HostClusters, links?: TableLinks) {
    const { extendedL2, clusterBytes } = metadata.header;
    this.metadata = metadata;
    this.format = entryFormat(extendedL2, metadata.dataFile !== undefined);
    this.clusterBytes = clusterBytes;
    this.unitBytes = clusterBytes / this.format.subclusters;
    this.#clusters = clusters;
    this.#links = links;
  }

  get isEncrypted(): boolean {
    return this.#clusters.encryption !== undefined;
  }

  /** Where the guest bytes at `guestOffset` are written that are to lie at `hostOffset`. */
  dataAt(hostOffset: number, guestOffset: number): WritableStorage {
    // The image was opened for writing, and with it whatever holds its data.
    return this.#clusters.dataAt(hostOffset, guestOffset) as WritableStorage;
  }

  /** Reads the entry of a cluster; the object is the same for each. */
  read(slice: TableSlice, guestOffset: number): ClusterEntry {
    this.format.read(slice.entries, this.#entryAt(slice, guestOffset), this.#entry);
    return this.#entry;
  }

  #entryAt({ startGuestOffset }: TableSlice, guestOffset: number): number {
    const index = Math.floor((guestOffset - startGuestOffset) / this.clusterBytes);
    return index * this.format.entryBytes;
  }

  /**
   * Refuses to write at `guestOffset` into a host cluster at a place where none can be.
   * @throws DiskError `corrupt`
   */
  checkWritten(slice: TableSlice, guestOffset: number, entry: ClusterEntry): void {
    if (entry.hostOffset % this.clusterBytes === 0) {
      this.checkData(slice, guestOffset, entry);
      this.checkPlace(slice, guestOffset, entry);
      return;
    }
    const isZero = this.format.subclusters === 1 && entry.dataBits === 0;
    const what = isZero ? 'zero cluster' : 'data cluster';
    throw corrupt(
      'qcow2.write-place-unaligned',
      `The ${what} for guest offset ${hex(guestOffset)} lies at ${hex(entry.hostOffset)}, where none can begin`,
      { offset: slice.hostOffset + this.#entryAt(slice, guestOffset) },
    );
  }

  /**
   * Refuses a host cluster at a place where none can be.
   * @throws DiskError `corrupt`
   */
  checkPlace(slice: TableSlice, guestOffset: number, { hostOffset }: ClusterEntry): void {
    const entryOffset = slice.hostOffset + this.#entryAt(slice, guestOffset);
    this.#clusters.check(hostOffset, guestOffset - (guestOffset % this.clusterBytes), entryOffset);
  }

  /**
   * Refuses an entry that calls subclusters data and zeros at once, or data and has no cluster for
   * them: with a cluster, they would read whatever that held before.
   * @throws DiskError `corrupt`
   */
  checkData(slice: TableSlice, guestOffset: number, entry: ClusterEntry): void {
    const { compressed, hosted, dataBits, zeroBits } = entry;
    if (compressed || dataBits === 0) return;
    if (hosted && maskBits(dataBits, zeroBits) === 0) return;
    throw invalidBitmap(slice, this.#entryAt(slice, guestOffset), this.clusterBytes, true);
  }

  /** What metadata a host cluster holds that an entry calls data; undefined for none. */
  overlapAt({ hostOffset }: ClusterEntry): string | undefined {
    const { dataFile, map } = this.metadata;
    if (dataFile !== undefined) return undefined;
    const cluster = Math.floor(hostOffset / this.clusterBytes);
    return map.findGuarded(cluster, cluster + 1);
  }

  /** The slice that maps `guestOffset`, in a table that may be changed where it lies. */
  *ownSlice(guestOffset: number): Step<TableSlice> {
    const { tables, map, headerWriter, allocator } = this.metadata;
    yield* allocator.guard.refuseConflict();
    const l1Index = tables.l1IndexOf(guestOffset);
    const hostOffset = tables.l2TableOffset(l1Index);
    if (hostOffset !== 0 && tables.l1.isCopied(l1Index)) {
      const cluster = hostOffset / this.clusterBytes;
      const kind = map.findGuarded(cluster, cluster + 1, 'L2 table');
      if (kind !== undefined) yield* headerWriter.refuseOverlap(kind, hostOffset);
    } else yield* this.#replaceTable(l1Index, hostOffset);
    return yield* this.load(guestOffset);
  }

  /** The slice that maps `guestOffset`, of a table that is there. */
  *load(guestOffset: number): Step<TableSlice> {
    const slice = yield* this.metadata.tables.load(guestOffset);
    if (slice === undefined) throw new Error('assertion failed: an L2 table is gone');
    return slice;
  }

  /** Puts a new L2 table in the place of none, or of one that a snapshot uses as well. */
  *#replaceTable(l1Index: number, oldOffset: number): Step<void> {
    const { tables, map, allocator, refcounts } = this.metadata;
    const old = { start: oldOffset / this.clusterBytes, count: 1 };
    const cluster = yield* allocator.allocate(1, 'L2 table');
    try {
      if (oldOffset !== 0) yield* refcounts.checkInUse(old);
      if (this.#links !== undefined) yield* this.#links.writeCounts();
      if (oldOffset !== 0) yield* refcounts.announce('l2_alloc_cow_read');
      yield* refcounts.announce('l2_alloc_write');
      yield* tables.placeTable(l1Index, cluster * this.clusterBytes);
    } catch (error) {
      yield* allocator.release({ start: cluster, count: 1 });
      throw error;
    }
    if (oldOffset !== 0) {
      map.removeCluster(old.start);
      allocator.freed.unlink(old);
    }
    map.addCluster('L2 table', cluster);
    if (this.#links === undefined) return;
    try {
      yield* this.#links.linkTables();
    } catch (error) {
      if (oldOffset === 0) this.#giveUpTable(l1Index, cluster);
      throw error;
    }
  }

  /** The entry may be in the file, so the space is free only once it is not. */
  #giveUpTable(l1Index: number, cluster: number): void {
    const { tables, map, allocator } = this.metadata;
    tables.removeTable(l1Index);
    map.removeCluster(cluster);
    allocator.freed.unlink({ start: cluster, count: 1 });
  }

  /**
   * Changes the entries of the clusters from `guestOffset` to before `end`, all in the slice of
   * the first. Nothing is changed when a refcount cannot be brought in or is wrong.
   * @returns where the walk ended
   */
  *change(guestOffset: number, end: number, change: EntryChange): Step<number> {
    const { refcounts, allocator } = this.metadata;
    const released: ClusterRun[] = [];
    let stop = end;
    let slice = yield* this.load(guestOffset);
    for (let at = guestOffset; at < end; at = this.#nextCluster(at)) {
      const entry = this.read(slice, at);
      const used = this.#clustersOf(slice, at, entry);
      const { hostOffset } = entry;
      const verdict = change(entry, at);
      if (verdict === 'release' && used !== undefined) {
        if (Number.isInteger(used.start)) released.push(used);
        else this.metadata.warn(notFreed(hostOffset));
      }
      if (verdict !== 'stop') continue;
      stop = at;
      break;
    }
    const freed = yield* allocator.tellFreed(released);
    try {
      for (const run of freed) yield* refcounts.checkInUse(run);
    } catch (error) {
      this.#warnOfDamagedCounts(error, freed);
      throw error;
    }
    slice = yield* this.load(guestOffset);
    for (let at = guestOffset; at < stop; at = this.#nextCluster(at)) {
      const entry = this.read(slice, at);
      if (change(entry, at) === 'keep') continue;
      const entryAt = this.#entryAt(slice, at);
      this.format.write(slice.entries, entryAt, entry);
      this.metadata.tables.markDirty(slice, entryAt, entryAt + this.format.entryBytes);
    }
    for (const run of freed) allocator.freed.unlink(run);
    return stop;
  }

  /** QEMU gives up each of the clusters, and the request succeeds. */
  #warnOfDamagedCounts(error: unknown, runs: readonly ClusterRun[]): void {
    const { asQemu } = this.metadata;
    if (!asQemu || !(error instanceof DiskError)) return;
    if (error.detail !== 'qcow2.refcount-block-offset') return;
    const detail = 'qcow2.free-uncounted';
    for (const { start } of runs) {
      const place = hex(start * this.clusterBytes);
      const message = `The cluster at ${place} is not freed: refcounts are damaged`;
      this.metadata.warn({ detail, message });
    }
  }

  #nextCluster(guestOffset: number): number {
    return guestOffset - (guestOffset % this.clusterBytes) + this.clusterBytes;
  }

  /** The host clusters that an entry uses and that are counted; no whole ones for a wrong place. */
  #clustersOf(slice: TableSlice, guestOffset: number, entry: ClusterEntry): ClusterRun | undefined {
    const { dataFile, header } = this.metadata;
    if (dataFile !== undefined) return undefined;
    if (entry.compressed) {
      const at = this.#entryAt(slice, guestOffset);
      return compressedClusters(slice.entries, at, header.clusterBits);
    }
    if (!entry.hosted) return undefined;
    return { start: entry.hostOffset / this.clusterBytes, count: 1 };
  }

  /** @throws DiskError `corrupt` once an overlap was met */
  refuseWhenCorrupt(): void {
    const { isCorrupt, isGivenUp } = this.metadata.headerWriter;
    if (isGivenUp) {
      throw corrupt('qcow2.given-up', 'The image was being emptied when the host failed', {
        hint: 'Open it anew.',
      });
    }
    if (!isCorrupt) return;
    throw corrupt(
      'qcow2.marked-corrupt',
      'Writing would have overwritten metadata, so the image was marked as corrupt',
    );
  }
}

/** Nobody knows what is counted for a cluster that lies across others. */
function notFreed(hostOffset: number): DiskWarning {
  return {
    detail: 'qcow2.free-unaligned',
    message: `The cluster at ${hex(hostOffset)}, where none can begin, is given up and not freed`,
  };
}
