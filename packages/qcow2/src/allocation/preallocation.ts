/** Clusters for a part of the disk, mapped before anything is written to them. */
import { alignUp, DiskError, divideUp } from '@diskfile/bytes';
import {
  allocateSpace,
  inContext,
  type Preallocation,
  type Step,
  readBytes,
  truncateStorage,
  type WritableStorage,
  writeBytes,
  writeZeros,
} from '@diskfile/core';
import { setZero } from '../tables/cluster-entry.ts';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { makeZeros } from './host-zeros.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

export interface PreallocationPlan {
  readonly preallocation: Preallocation;
  /** Guest offset where a cluster begins; at most this one has a place, which it loses. */
  readonly from: number;
  /** The end of the disk, as it is to be. */
  readonly to: number;
  /**
   * Whether extended entries call the clusters data, which is zeros, and so hide an image below.
   * Standard ones cannot but do so.
   */
  readonly asData: boolean;
  readonly copied: CopiedStart;
}

/** How much from the start on was part of the disk before. */
export interface CopiedStart {
  readonly lengthBytes: number;
  /** Where that lies now; undefined where it is zeros. */
  readonly dataOffset?: number | undefined;
}

/** An external data file has the size that the disk is to have. */
export function* preallocate(
  tables: ClusterTables,
  plan: PreallocationPlan,
  writer: MetadataWriter,
): Step<void> {
  const { preallocation } = plan;
  if (preallocation === 'off') return;
  if (tables.metadata.dataFile !== undefined) {
    yield* mapAll(tables, plan, writer, new DataFilePlaces());
  } else if (preallocation === 'metadata') yield* mapAsNeeded(tables, plan, writer);
  else yield* mapReserved(tables, plan, writer);
}

/** Where the clusters come from. */
interface HostPlaces {
  /** The host offset for the next run of guest bytes, which begins and ends where clusters do. */
  place(guestOffset: number, lengthBytes: number): Step<number>;
  /** What was placed last is mapped. */
  mapped(): void;
  /** Clusters that are counted as used and that no table names. */
  readonly unused: ClusterRun | undefined;
}

/** Where the guest has them, and nothing counts them. */
class DataFilePlaces implements HostPlaces {
  readonly unused = undefined;

  *place(guestOffset: number): Step<number> {
    return guestOffset;
  }

  mapped(): void {}
}

/** Free clusters, a run at a time, that read as zeros. */
class FreePlaces implements HostPlaces {
  unused: ClusterRun | undefined = undefined;
  /** Where the furthest run ends. */
  fileEnd = 0;
  /** Where the first one begins. */
  firstStart: number | undefined = undefined;
  /** Where the last one ends. */
  lastEnd = 0;
  readonly #tables: ClusterTables;

  constructor(tables: ClusterTables) {
    this.#tables = tables;
  }

  *place(_guestOffset: number, lengthBytes: number): Step<number> {
    const { clusterBytes, unitBytes, metadata } = this.#tables;
    const { allocator, storage } = metadata;
    const count = divideUp(lengthBytes, clusterBytes);
    this.unused = { start: yield* allocator.allocate(count), count };
    const hostOffset = this.unused.start * clusterBytes;
    const end = hostOffset + alignUp(lengthBytes, unitBytes);
    // Clusters that were used before hold what they held. Extended entries call nothing data yet.
    const staleBytes = Math.min(end, storage.sizeBytes) - hostOffset;
    if (staleBytes > 0 && !isExtended(this.#tables)) {
      yield* makeZeros(storage, hostOffset, staleBytes);
    }
    this.fileEnd = Math.max(this.fileEnd, end);
    this.firstStart ??= hostOffset;
    this.lastEnd = hostOffset + count * clusterBytes;
    return hostOffset;
  }

  mapped(): void {
    this.unused = undefined;
  }
}

/** One run of clusters for all. */
class ReservedPlaces implements HostPlaces {
  unused: ClusterRun;
  readonly #clusterBytes: number;
  #placed = 0;

  constructor(reserved: ClusterRun, clusterBytes: number) {
    this.unused = reserved;
    this.#clusterBytes = clusterBytes;
  }

  *place(_guestOffset: number, lengthBytes: number): Step<number> {
    this.#placed = divideUp(lengthBytes, this.#clusterBytes);
    return this.unused.start * this.#clusterBytes;
  }

  mapped(): void {
    const { start, count } = this.unused;
    this.unused = { start: start + this.#placed, count: count - this.#placed };
  }
}

/** Data clusters follow the L2 table that maps them, and are holes of the file. */
function* mapAsNeeded(
  tables: ClusterTables,
  plan: PreallocationPlan,
  writer: MetadataWriter,
): Step<void> {
  const { storage } = tables.metadata;
  const places = new FreePlaces(tables);
  yield* mapAll(tables, plan, writer, places);
  yield* writeAround(tables, plan, places);
  if (places.fileEnd > storage.sizeBytes) yield* truncateStorage(storage, places.fileEnd);
}

/** Parts of the first and of the last cluster are no holes: QEMU copies there what is around new data. */
function* writeAround(
  tables: ClusterTables,
  { to, copied }: PreallocationPlan,
  { firstStart, lastEnd }: FreePlaces,
): Step<void> {
  const { clusterBytes, metadata, isEncrypted } = tables;
  if (firstStart === undefined || isExtended(tables) || isEncrypted) return;
  if (copied.lengthBytes > 0) yield* writeZeros(metadata.storage, firstStart, copied.lengthBytes);
  const restBytes = alignUp(to, clusterBytes) - to;
  if (restBytes > 0) yield* writeZeros(metadata.storage, lastEnd - restBytes, restBytes);
}

/** One run of data clusters that the host has set aside; the L2 tables are wherever there is room. */
function* mapReserved(
  tables: ClusterTables,
  plan: PreallocationPlan,
  writer: MetadataWriter,
): Step<void> {
  const { clusterBytes, metadata } = tables;
  const { storage, allocator } = metadata;
  const { from, to, preallocation, copied } = plan;
  const count = divideUp(to - from, clusterBytes);
  const l2Tables = divideUp(count, clusterBytes / tables.format.entryBytes);
  const fileEnd = divideUp(storage.sizeBytes, clusterBytes);
  const area = yield* allocator.areas.find(count, l2Tables, fileEnd);
  const start = area.dataStart;
  const fileBytes = storage.sizeBytes;
  let oldTable: ClusterRun;
  try {
    // The host first: when it has not that much space, nothing has happened yet.
    const full = preallocation === 'full';
    yield* reserveSpace(storage, start * clusterBytes, count * clusterBytes, full);
    oldTable = yield* allocator.areas.take(area);
  } catch (error) {
    yield* cutBack(storage, fileBytes);
    throw error;
  }
  try {
    yield* copyStart(storage, copied, start * clusterBytes);
    // From here on the header names the new refcount table.
    yield* writer.sync();
  } catch (error) {
    allocator.freed.unlink(oldTable);
    allocator.freed.unlink({ start, count });
    throw error;
  }
  yield* allocator.retire(oldTable);
  yield* mapAll(tables, plan, writer, new ReservedPlaces({ start, count }, clusterBytes));
}

function* copyStart(
  storage: WritableStorage,
  { lengthBytes, dataOffset }: CopiedStart,
  hostOffset: number,
): Step<void> {
  if (dataOffset === undefined) return;
  const present = Math.min(lengthBytes, storage.sizeBytes - dataOffset);
  if (present > 0) {
    yield* writeBytes(storage, yield* readBytes(storage, dataOffset, present), hostOffset);
  }
}

function* reserveSpace(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
  write: boolean,
): Step<void> {
  const format = 'qcow2';
  if (write) {
    const zeroing = writeZeros(storage, offset, lengthBytes);
    return yield* inContext({ purpose: 'preallocated-zeros', format }, zeroing);
  }
  const reserving = allocateSpace(storage, offset, lengthBytes);
  if (!(yield* inContext({ purpose: 'preallocation', format }, reserving))) {
    yield* truncateStorage(storage, Math.max(storage.sizeBytes, offset + lengthBytes));
  }
}

/** Gives back what was reserved in vain, as far as the host lets it: why it was in vain matters. */
function* cutBack(storage: WritableStorage, sizeBytes: number): Step<void> {
  if (storage.sizeBytes <= sizeBytes) return;
  try {
    yield* truncateStorage(storage, sizeBytes);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

/**
 * Maps all of the plan's range, a slice of an L2 table at a time. After a failure part of it is
 * mapped, and what is not is given back.
 */
function* mapAll(
  tables: ClusterTables,
  plan: PreallocationPlan,
  writer: MetadataWriter,
  places: HostPlaces,
): Step<void> {
  try {
    for (let at = plan.from; at < plan.to;) {
      yield* writer.makeRoom();
      const { endGuestOffset } = yield* tables.ownSlice(at);
      const end = Math.min(plan.to, endGuestOffset);
      yield* mapRun(tables, plan, { start: at, end }, yield* places.place(at, end - at));
      places.mapped();
      at = end;
    }
  } catch (error) {
    if (places.unused !== undefined) tables.metadata.allocator.freed.unlink(places.unused);
    throw error;
  }
}

function* mapRun(
  tables: ClusterTables,
  { asData }: PreallocationPlan,
  { start, end }: { readonly start: number; readonly end: number },
  hostOffset: number,
): Step<void> {
  const { isEncrypted, format, clusterBytes, metadata } = tables;
  yield* tables.change(start, end, (entry, at) => {
    if (entry.hosted && metadata.dataFile === undefined) {
      metadata.allocator.freed.unlink({ start: entry.hostOffset / clusterBytes, count: 1 });
    }
    entry.hosted = true;
    entry.copied = true;
    entry.hostOffset = hostOffset + (at - start);
    // What the host has there is noise once it is decrypted.
    if (isEncrypted) setZero(entry, format.allBits);
    else if (asData || !isExtended(tables)) {
      entry.dataBits = format.allBits;
      entry.zeroBits = 0;
    }
    return 'change';
  });
}

function isExtended({ format }: ClusterTables): boolean {
  return format.subclusters > 1;
}
