/** Host clusters for a run of guest bytes: which they are, and how they become part of the disk. */
import { alignDown, alignUp, testBit } from '@diskfile/bytes';
import type { Allocation, Step, WritableStorage } from '@diskfile/core';
import { bitRange, type ClusterEntry, setData } from '../tables/cluster-entry.ts';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import type { TableSlice } from '../tables/table-cache.ts';

/** Guest bytes, whole units. */
interface GuestRun {
  readonly start: number;
  readonly end: number;
}

/**
 * Sets host space aside for the bytes from `guestOffset` on, which cannot be overwritten where they
 * lie: clusters that stand ready, or new ones. Reaches no further than one slice of an L2 table.
 * @param behind see {@link ImageWriter.allocate}; new clusters go there as far as some are free
 */
export function* allocateClusters(
  tables: ClusterTables,
  guestOffset: number,
  lengthBytes: number,
  behind?: number,
): Step<Allocation> {
  const slice = yield* tables.ownSlice(guestOffset);
  const end = Math.min(guestOffset + lengthBytes, slice.endGuestOffset);
  const entry = tables.read(slice, guestOffset);
  if (!entry.hosted || !entry.copied) {
    return yield* allocateNew(tables, planNew(tables, slice, guestOffset, end), behind);
  }
  tables.checkWritten(slice, guestOffset, entry);
  const kind = tables.overlapAt(entry);
  if (kind !== undefined) {
    return yield* tables.metadata.headerWriter.refuseOverlap(kind, entry.hostOffset);
  }
  return allocateReady(tables, slice, guestOffset, end);
}

/**
 * Units of the image's own clusters whose content is not valid yet; or else units that hold data
 * and could not be overwritten right away.
 */
function allocateReady(
  tables: ClusterTables,
  slice: TableSlice,
  guestOffset: number,
  end: number,
): Allocation {
  const { unitBytes, clusterBytes } = tables;
  const start = alignDown(guestOffset, unitBytes);
  const hostOffset = tables.read(slice, start).hostOffset + (start % clusterBytes);
  const withData = hasData(tables, tables.read(slice, start), start);
  let at = start;
  while (at < end) {
    const entry = tables.read(slice, at);
    const next = entry.hostOffset + (at % clusterBytes) === hostOffset + (at - start);
    if (!next || !entry.hosted || !entry.copied) break;
    if (hasData(tables, entry, at) !== withData || tables.overlapAt(entry) !== undefined) break;
    at += unitBytes;
  }
  return new ReadyUnits(tables, { start, end: at }, hostOffset);
}

/** Whether the unit at `guestOffset` is in the entry's host cluster. */
export function hasData(
  { clusterBytes, unitBytes }: ClusterTables,
  { dataBits }: ClusterEntry,
  guestOffset: number,
): boolean {
  return testBit(dataBits, Math.floor((guestOffset % clusterBytes) / unitBytes));
}

/**
 * Which bytes new clusters are to hold. A compressed cluster is replaced as a whole, one that a
 * snapshot uses as well from its first unit with data to its last; of an empty one only the units
 * that are written become data.
 */
function planNew(
  tables: ClusterTables,
  slice: TableSlice,
  guestOffset: number,
  end: number,
): GuestRun {
  const { clusterBytes, unitBytes } = tables;
  let start = alignDown(guestOffset, unitBytes);
  let reached = start;
  for (let at = alignDown(guestOffset, clusterBytes); at < end; at += clusterBytes) {
    const entry = tables.read(slice, at);
    if (entry.hosted && entry.copied) break;
    tables.checkData(slice, at, entry);
    const kept = unitsToKeep(tables, entry);
    if (kept.from < kept.to) start = Math.min(start, at + kept.from * unitBytes);
    const written = Math.min(alignUp(end, unitBytes), at + clusterBytes);
    reached = Math.max(written, at + kept.to * unitBytes);
  }
  return { start, end: reached };
}

/** Units of a cluster that is replaced which have to come along; none where `from` is `to`. */
function unitsToKeep(
  { format }: ClusterTables,
  { compressed, dataBits }: ClusterEntry,
): { from: number; to: number } {
  if (compressed) return { from: 0, to: format.subclusters };
  let [from, to] = [0, format.subclusters];
  while (from < to && !testBit(dataBits, from)) from += 1;
  while (to > from && !testBit(dataBits, to - 1)) to -= 1;
  return from < to ? { from, to } : { from: 0, to: 0 };
}

function* allocateNew(
  tables: ClusterTables,
  run: GuestRun,
  behind: number | undefined,
): Step<Allocation> {
  const { clusterBytes, metadata } = tables;
  const { dataFile, allocator } = metadata;
  const first = alignDown(run.start, clusterBytes);
  // The data file holds each cluster where the guest has it, and nothing is counted there.
  if (dataFile !== undefined) return new NewClusters(tables, run, first);
  const count = (alignUp(run.end, clusterBytes) - first) / clusterBytes;
  if (behind !== undefined && behind % clusterBytes === 0 && first === run.start) {
    const taken = yield* allocator.allocateAt({ start: behind / clusterBytes, count });
    const end = Math.min(run.end, first + taken * clusterBytes);
    if (taken > 0) return new NewClusters(tables, { start: run.start, end }, behind);
  }
  const cluster = yield* allocator.allocate(count);
  return new NewClusters(tables, run, cluster * clusterBytes);
}

/** Bits of the units of a run that lie in the cluster at `clusterOffset`. */
function unitMask(
  { clusterBytes, unitBytes }: ClusterTables,
  run: GuestRun,
  clusterOffset: number,
) {
  const from = Math.max(run.start - clusterOffset, 0);
  const to = Math.min(run.end - clusterOffset, clusterBytes);
  return bitRange(from / unitBytes, to / unitBytes);
}

class ReadyUnits implements Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly readsAsZero = false;
  readonly isReserved: boolean;
  readonly tellsOfCopies = true;
  readonly #tables: ClusterTables;
  readonly #run: GuestRun;

  constructor(tables: ClusterTables, run: GuestRun, hostOffset: number) {
    this.storage = tables.dataAt(hostOffset, run.start);
    this.hostOffset = hostOffset;
    this.guestOffset = run.start;
    this.lengthBytes = run.end - run.start;
    this.isReserved = !tables.isEncrypted;
    this.#tables = tables;
    this.#run = run;
  }

  *commit(): Step<void> {
    const tables = this.#tables;
    const run = this.#run;
    yield* tables.change(run.start, run.end, (entry, at) => {
      setData(entry, unitMask(tables, run, alignDown(at, tables.clusterBytes)));
      return 'change';
    });
  }

  *cancel(): Step<void> {}
}

class NewClusters implements Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly readsAsZero: boolean;
  readonly isReserved: boolean;
  /** The data file has the same place for a cluster again and again. */
  readonly isUnread: boolean;
  readonly tellsOfCopies = true;
  readonly #tables: ClusterTables;
  readonly #run: GuestRun;
  /** Where the first cluster begins. */
  readonly #firstHost: number;

  constructor(tables: ClusterTables, run: GuestRun, firstHost: number) {
    this.hostOffset = firstHost + (run.start % tables.clusterBytes);
    this.storage = tables.dataAt(this.hostOffset, run.start);
    this.guestOffset = run.start;
    this.lengthBytes = run.end - run.start;
    // What the host adds is noise once it is decrypted.
    this.readsAsZero = !tables.isEncrypted && firstHost >= this.storage.sizeBytes;
    this.isReserved = !tables.isEncrypted;
    this.isUnread = tables.metadata.dataFile === undefined;
    this.#tables = tables;
    this.#run = run;
    this.#firstHost = firstHost;
  }

  *commit(): Step<void> {
    const tables = this.#tables;
    const run = this.#run;
    const firstGuest = alignDown(run.start, tables.clusterBytes);
    try {
      yield* tables.metadata.noteAllocation();
      yield* tables.change(run.start, run.end, (entry, at) => {
        const cluster = alignDown(at, tables.clusterBytes);
        const replaced = entry.compressed || entry.hosted;
        entry.compressed = false;
        entry.hosted = true;
        entry.copied = true;
        entry.hostOffset = this.#firstHost + (cluster - firstGuest);
        setData(entry, unitMask(tables, run, cluster));
        return replaced ? 'release' : 'change';
      });
    } catch (error) {
      yield* this.cancel();
      throw error;
    }
  }

  *cancel(): Step<void> {
    const { metadata, clusterBytes } = this.#tables;
    if (metadata.dataFile !== undefined) return;
    const start = this.#firstHost / clusterBytes;
    const end =
      (this.#firstHost + (this.#run.start % clusterBytes) + this.lengthBytes) / clusterBytes;
    yield* metadata.allocator.abandon({ start, count: Math.ceil(end) - start });
  }
}
