/** Zeros and discards: what the tables alone can do. */
import { alignDown, alignUp, maskBits } from '@diskfile/bytes';
import { punchHole, type Step, writeBytes } from '@diskfile/core';
import { bitRange, hasAllBits, setZero } from './cluster-entry.ts';
import { AUTOCLEAR } from '../header/features.ts';
import type { ClusterTables, EntryChange } from './cluster-tables.ts';

/** Zeros written at a time where the host cannot punch holes. */
const ZERO_CHUNK_BYTES = 1024 * 1024;
/** As much as QEMU writes at a time where its driver cannot zero. */
const MAX_ZEROES_AS_DATA = 16 * 1024 * 1024;

/** What zeroing has to know of the image beyond its tables. */
export interface ZeroingContext {
  readonly tables: ClusterTables;
  /** Runs before each piece of work; keeps memory bounded. */
  makeRoom(): Step<void>;
  /** Makes what was given up usable again at once; nobody reads the disk meanwhile. */
  reuseFreed(): Step<void>;
}

/** See {@link ImageWriter.writeZeroes}. */
export function* zeroClusters(
  context: ZeroingContext,
  guestOffset: number,
  lengthBytes: number,
  mayUnmap: boolean,
): Step<number> {
  const { tables } = context;
  const { version } = tables.metadata.header;
  const { hasBacking } = tables.metadata;
  const { unitBytes } = tables;
  const wholeEnd = endOfWhole(context, guestOffset + lengthBytes, unitBytes);
  if (guestOffset % unitBytes !== 0 || wholeEnd <= guestOffset) return 0;
  // Version 2 has no zero clusters: only an image that stands alone reads zeros without data.
  if (version === 2 && hasBacking) return 0;
  // QEMU makes a table also where there is nothing to give up.
  if (version === 2 && !tables.metadata.asQemu) {
    const empty = tables.metadata.tables.unallocatedBytes(guestOffset, lengthBytes);
    if (empty > 0) return empty;
  }
  if ((yield* unitsAsData(tables, guestOffset, lengthBytes)) > 0) return 0;
  yield* context.makeRoom();
  const slice = yield* tables.ownSlice(guestOffset);
  const end = Math.min(wholeEnd, slice.endGuestOffset);
  const change = version === 2 ? deallocate : zeroing(tables, guestOffset, end, mayUnmap);
  yield* zeroDataFile(context, guestOffset, end, mayUnmap);
  const stop = yield* tables.change(guestOffset, end, change);
  return Math.min(stop - guestOffset, lengthBytes);
}

/** Where the whole units of a range end; the end of the disk ends its last one. */
function endOfWhole(
  { tables }: Pick<ZeroingContext, 'tables'>,
  end: number,
  unitBytes: number,
): number {
  return end === tables.metadata.header.sizeBytes
    ? alignUp(end, unitBytes)
    : alignDown(end, unitBytes);
}

/**
 * The bytes of a range's whole units when it begins or ends within a compressed cluster, and 0 when
 * it does not: QEMU zeroes none of them by the tables then, or none of the first 16 MiB.
 */
export function* unitsAsData(
  tables: ClusterTables,
  guestOffset: number,
  lengthBytes: number,
): Step<number> {
  const { clusterBytes, unitBytes, metadata } = tables;
  if (!metadata.asQemu || unitBytes === clusterBytes || guestOffset % unitBytes !== 0) return 0;
  const end = endOfWhole({ tables }, guestOffset + lengthBytes, unitBytes);
  const { sizeBytes } = metadata.header;
  if (end <= guestOffset) return 0;
  for (const edge of [guestOffset, end]) {
    if (edge % clusterBytes === 0 || edge > sizeBytes) continue;
    const slice = yield* metadata.tables.load(edge);
    if (slice === undefined || !tables.read(slice, edge).compressed) continue;
    const asData = Math.min(end, sizeBytes) - guestOffset;
    return edge === end ? asData : Math.min(asData, MAX_ZEROES_AS_DATA);
  }
  return 0;
}

/** Leaves an entry without anything. */
export const deallocate: EntryChange = (entry) => {
  const used = entry.compressed || entry.hosted;
  if (!used && entry.zeroBits === 0) return 'keep';
  entry.compressed = false;
  entry.hosted = false;
  entry.zeroBits = 0;
  entry.dataBits = 0;
  return used ? 'release' : 'change';
};

/** Makes all units of a range read as zeros. */
export function zeroing(
  { clusterBytes, unitBytes, format }: ClusterTables,
  start: number,
  end: number,
  mayUnmap: boolean,
): EntryChange {
  return (entry, at) => {
    const cluster = alignDown(at, clusterBytes);
    const from = Math.max(start - cluster, 0) / unitBytes;
    const mask = bitRange(from, Math.min(end - cluster, clusterBytes) / unitBytes);
    const whole = mask === format.allBits;
    if (entry.compressed && !whole) return 'stop';
    const unmap = entry.compressed || (whole && mayUnmap && entry.hosted);
    const isZero = hasAllBits(entry.zeroBits, mask) && maskBits(entry.dataBits, mask) === 0;
    if (!unmap && isZero) return 'keep';
    setZero(entry, mask);
    if (!unmap) return 'change';
    entry.compressed = false;
    entry.hosted = false;
    return 'release';
  };
}

/** See {@link ImageWriter.discard}. */
export function* discardClusters(
  context: ZeroingContext,
  guestOffset: number,
  lengthBytes: number,
): Step<void> {
  const { tables } = context;
  const { asQemu, hasBacking, header, tables: mapping } = tables.metadata;
  const end = endOfWhole(context, guestOffset + lengthBytes, tables.clusterBytes);
  // Without its cluster, the range would read what lies below it.
  if (header.version === 2 && hasBacking) return;
  const change = header.version === 2 ? deallocate : discarding(tables, hasBacking);
  for (let at = alignUp(guestOffset, tables.clusterBytes); at < end;) {
    // QEMU makes a table also where there is nothing to give up.
    const empty = hasBacking || asQemu ? 0 : mapping.unallocatedBytes(at, end - at);
    if (empty > 0) {
      at += empty;
      continue;
    }
    yield* context.makeRoom();
    const slice = yield* tables.ownSlice(at);
    const stop = Math.min(end, slice.endGuestOffset);
    yield* zeroDataFile(context, at, stop, true);
    yield* tables.change(at, stop, change);
    at = stop;
  }
}

/** Gives up all that an image itself holds, and keeps its tables; makes those that are missing, as QEMU does. */
export function* deallocateAll({ tables, makeRoom, reuseFreed }: ZeroingContext): Step<void> {
  const { header, tables: mapping } = tables.metadata;
  const { sizeBytes } = header;
  for (let at = 0; at < sizeBytes;) {
    yield* makeRoom();
    // A new table goes where QEMU puts it: where something else was.
    if (mapping.unallocatedBytes(at, 1) > 0) yield* reuseFreed();
    const slice = yield* tables.ownSlice(at);
    const stop = Math.min(alignUp(sizeBytes, tables.clusterBytes), slice.endGuestOffset);
    yield* tables.change(at, stop, deallocate);
    at = stop;
  }
}

/** Version 3: what is discarded reads as zeros from then on. */
function discarding({ format }: ClusterTables, hasBacking: boolean): EntryChange {
  return (entry) => {
    const used = entry.compressed || entry.hosted;
    const isZero = hasAllBits(entry.zeroBits, format.allBits);
    if (!used && (isZero || !hasBacking)) return 'keep';
    entry.compressed = false;
    entry.hosted = false;
    setZero(entry, format.allBits);
    return used ? 'release' : 'change';
  };
}

/**
 * Does to the data file what the tables are told of it. A raw one has to read the same without the
 * image; of another one, what is given up is space of the host.
 */
function* zeroDataFile(
  { tables }: ZeroingContext,
  guestOffset: number,
  end: number,
  mayUnmap: boolean,
): Step<void> {
  const { dataFile, header } = tables.metadata;
  // Zeros of the host are noise to an encrypted disk, for as long as its tables are not written.
  if (dataFile === undefined || tables.isEncrypted) return;
  const lengthBytes = Math.min(end, header.sizeBytes) - guestOffset;
  if (mayUnmap && (yield* punchHole(dataFile, guestOffset, lengthBytes))) return;
  if (!header.features.autoclear.has(AUTOCLEAR.rawExternalData)) return;
  const zeros = new Uint8Array(Math.min(ZERO_CHUNK_BYTES, lengthBytes));
  for (let done = 0; done < lengthBytes; done += zeros.length) {
    const piece = zeros.subarray(0, lengthBytes - done);
    yield* writeBytes(dataFile, piece, guestOffset + done);
  }
}
