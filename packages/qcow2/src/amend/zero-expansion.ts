/**
 * Zero clusters made into what version 2 has: clusters full of zeros, or unallocated ones where
 * nothing lies below. Both read the same, so tables are changed where they lie, those of snapshots
 * as well; what they come to name is on the host before.
 */
import { alignDown, alignUp } from '@diskfile/bytes';
import { flushStorage, readBytes, type Step, truncateStorage, writeBytes } from '@diskfile/core';
import {
  type ClusterEntry,
  type EntryFormat,
  entryFormat,
  newClusterEntry,
} from '../tables/cluster-entry.ts';
import { checkReach, corrupt, hex } from '../errors.ts';
import { makeZeros } from '../allocation/host-zeros.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

const SECTOR_BYTES = 512;
/** Bytes of changed tables that are gathered before they are written. */
const BATCH_BYTES = 4 * 1024 * 1024;

interface ChangedTable {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  /** What of it has changed. */
  from: number;
  to: number;
}

export class ZeroExpansion {
  readonly #metadata: ImageMetadata;
  readonly #writer: MetadataWriter;
  readonly #format: EntryFormat = entryFormat(false, false);
  readonly #entry: ClusterEntry = newClusterEntry();
  /** Clusters of all L2 tables, those of snapshots among them. */
  readonly #tableClusters: ReadonlySet<number>;
  #changed: ChangedTable[] = [];
  /** Clusters that the changed tables name, and how often each is counted. */
  #taken: { readonly run: ClusterRun; readonly count: number }[] = [];
  /** Clusters that they no longer name. */
  #released: ClusterRun[] = [];

  /** @param tableClusters all of them; the file has all changes of before */
  constructor(metadata: ImageMetadata, writer: MetadataWriter, tableClusters: ReadonlySet<number>) {
    this.#metadata = metadata;
    this.#writer = writer;
    this.#tableClusters = tableClusters;
  }

  *run(): Step<void> {
    const { header, tables } = this.#metadata;
    try {
      for (const cluster of this.#tableClusters) {
        yield* this.#expand(cluster);
        if (this.#changed.length * header.clusterBytes >= BATCH_BYTES) yield* this.#write();
      }
      yield* this.#write();
    } catch (error) {
      this.#giveUpTaken();
      throw error;
    } finally {
      tables.forgetSlices();
    }
  }

  *#expand(tableCluster: number): Step<void> {
    const { storage, header, refcounts, map } = this.#metadata;
    const { clusterBytes } = header;
    const hostOffset = tableCluster * clusterBytes;
    const kind = map.find(tableCluster, tableCluster + 1) ?? 'L2 table';
    if (kind !== 'L2 table') throw overlapping('An L2 table', kind, hostOffset);
    const bytes = yield* readBytes(storage, hostOffset, clusterBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const table: ChangedTable = { hostOffset, bytes, from: clusterBytes, to: 0 };
    const uses = yield* refcounts.get(tableCluster);
    if (uses === 0) throw refcounts.notInUse(tableCluster);
    for (let at = 0; at < clusterBytes; at += this.#format.entryBytes) {
      this.#format.read(view, at, this.#entry);
      if (this.#entry.zeroBits === 0) continue;
      this.#refuseUnaligned(this.#entry, hostOffset + at);
      yield* this.#expandEntry(this.#entry, uses);
      this.#format.write(view, at, this.#entry);
      table.from = Math.min(table.from, at);
      table.to = at + this.#format.entryBytes;
    }
    if (table.to > 0) this.#changed.push(table);
  }

  #refuseUnaligned({ hosted, hostOffset }: ClusterEntry, entryOffset: number): void {
    const { clusterBytes } = this.#metadata.header;
    if (!hosted || hostOffset % clusterBytes === 0) return;
    throw corrupt(
      'qcow2.l2-entry-unaligned',
      `A zero cluster has the host offset ${hex(hostOffset)}, which is no multiple of the cluster size ${clusterBytes}`,
      { offset: entryOffset },
    );
  }

  /** Each use of a table is one of all that it names. */
  *#expandEntry(entry: ClusterEntry, uses: number): Step<void> {
    entry.zeroBits = 0;
    entry.dataBits = 1;
    entry.copied = uses === 1;
    if (entry.hosted) {
      if (yield* this.#zeroInPlace(entry.hostOffset, uses)) return;
      entry.hosted = false;
    }
    if (!this.#metadata.hasBacking) return;
    entry.hosted = true;
    entry.hostOffset = (yield* this.#takeZeros(uses)) * this.#metadata.header.clusterBytes;
  }

  /** False for a cluster that something else uses as well; it is given up here. */
  *#zeroInPlace(hostOffset: number, uses: number): Step<boolean> {
    const { storage, header, refcounts } = this.#metadata;
    const run = { start: this.#clusterAt(hostOffset), count: 1 };
    yield* refcounts.checkInUse(run);
    if ((yield* refcounts.get(run.start)) === uses) {
      yield* makeZeros(storage, hostOffset, header.clusterBytes);
      return true;
    }
    for (let use = 0; use < uses; use++) this.#released.push(run);
    return false;
  }

  /** @throws DiskError `corrupt` for a place that no guest data can have */
  #clusterAt(hostOffset: number): number {
    const { header, map } = this.#metadata;
    checkReach(hostOffset, hostOffset);
    const cluster = hostOffset / header.clusterBytes;
    const kind = map.find(cluster, cluster + 1);
    const isTable = kind === undefined && this.#tableClusters.has(cluster);
    if (kind === undefined && !isTable) return cluster;
    throw overlapping('The host cluster of a zero cluster', kind ?? 'L2 table', hostOffset);
  }

  /** A new cluster of zeros, counted as often as it is going to be used. */
  *#takeZeros(uses: number): Step<number> {
    const { storage, header, allocator, refcounts } = this.#metadata;
    const { clusterBytes } = header;
    const run = { start: yield* allocator.allocate(1), count: 1 };
    this.#taken.push({ run, count: uses });
    if (uses > 1) yield* refcounts.assign(run, () => uses);
    const end = (run.start + 1) * clusterBytes;
    if (run.start * clusterBytes >= storage.sizeBytes) yield* truncateStorage(storage, end);
    else yield* makeZeros(storage, run.start * clusterBytes, clusterBytes);
    return run.start;
  }

  /** First the zeros and their counts become durable, then the tables that name them. */
  *#write(): Step<void> {
    const { storage, allocator } = this.#metadata;
    if (this.#changed.length === 0) return;
    yield* this.#writer.finish();
    // From here on the file may name what was taken.
    this.#taken = [];
    for (const { hostOffset, bytes, from, to } of this.#changed) {
      const start = alignDown(from, SECTOR_BYTES);
      const end = alignUp(to, SECTOR_BYTES);
      yield* writeBytes(storage, bytes.subarray(start, end), hostOffset + start);
    }
    yield* flushStorage(storage);
    for (const run of this.#released) allocator.freed.unlink(run);
    this.#released = [];
    this.#changed = [];
  }

  #giveUpTaken(): void {
    for (const { run, count } of this.#taken) {
      for (let use = 0; use < count; use++) this.#metadata.allocator.freed.unlink(run);
    }
  }
}

function overlapping(what: string, kind: string, offset: number): Error {
  return corrupt('qcow2.overlap', `${what} at ${hex(offset)} lies where the ${kind} is`, {
    offset,
  });
}
