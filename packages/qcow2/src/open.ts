/** Opens qcow2 images, versions 2 and 3. */
import { decodeFixedText, DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  type BitmapReader,
  type Limits,
  type OpenContext,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { type BitmapListing, readBitmapDirectory } from './bitmaps/bitmap-directory.ts';
import { describeBitmap } from './bitmaps/bitmap-entry.ts';
import { StoredBitmaps } from './bitmaps/stored-bitmaps.ts';
import { CODEC_IDS, CompressedClusters } from './compressed-clusters.ts';
import { openDataFile } from './data-file.ts';
import { describeImage } from './details.ts';
import { openEncryption } from './open-encryption.ts';
import { ExtendedEntries } from './tables/extended-entries.ts';
import { INCOMPATIBLE, refuseUnknownFeatures } from './header/features.ts';
import { type HeaderExtensions, readHeaderExtensions } from './header/header-extensions.ts';
import {
  HEADER_FIELDS_BYTES,
  neededL1Entries,
  parseHeader,
  type Qcow2Header,
} from './header/header.ts';
import type { TableReference } from './header/header-places.ts';
import { HostClusters } from './allocation/host-clusters.ts';
import { QcowImage } from './image.ts';
import { L1Table } from './tables/l1-table.ts';
import { OFFSET_MASK } from './tables/l2-entry.ts';
import { lengthenL1, MappingTables, tableGeometry } from './tables/mapping-tables.ts';
import {
  checkSnapshotL1,
  findSnapshot,
  readSnapshots,
  type Snapshot,
} from './snapshots/snapshots.ts';
import { isMetadataPreallocated } from './allocation/sparseness.ts';
import { cutOffWarning } from './cut-off.ts';
import { openWriter, refuseWriting } from './open-writer.ts';
import { StandardEntries } from './tables/standard-entries.ts';
import { Qcow2VmState } from './snapshots/vm-state.ts';
import type { Qcow2Writer } from './writer.ts';

export function* openQcow2(context: OpenContext): Step<QcowImage> {
  const { storage, limits } = context;
  const head = yield* readBytes(storage, 0, HEADER_FIELDS_BYTES);
  const header = parseHeader(head, context.writable && context.snapshot === undefined);
  const extensions = yield* readHeaderExtensions(storage, header);
  refuseUnknownFeatures(header.features, extensions.featureNames);
  if (context.writable) refuseWriting(context, header);
  checkL1Size(header.l1Table, limits, 36);
  const warn = context.warn.bind(context);
  const backing = yield* readBacking(storage, header, extensions);
  const snapshots = yield* readSnapshots(storage, header, limits, warn);
  const bitmaps = yield* readBitmapDirectory(context, header, extensions.bitmaps);
  const snapshot =
    context.snapshot === undefined ? undefined : findSnapshot(snapshots.list, context.snapshot);
  const dataFile = yield* openDataFile(context, header, extensions.dataFileName);
  warnOfState(context, header);
  const cutOff = yield* cutOffWarning(context, header);
  if (cutOff !== undefined) warn(cutOff);

  const sizeBytes = snapshot?.info.diskSizeBytes ?? header.sizeBytes;
  const l1 = yield* readL1Table(context, header, snapshot, sizeBytes);
  const compressed = new CompressedClusters(
    storage,
    header.clusterBytes,
    context.decoders,
    CODEC_IDS[header.compressionType],
  );
  const encryption =
    header.encryption === undefined
      ? undefined
      : yield* openEncryption(context, header.encryption, extensions, dataFile ?? storage);
  const clusters = new HostClusters(header, storage, dataFile, compressed, encryption);
  const cacheBytes = limits.metadataCacheBytes;
  const tables = new MappingTables(storage, l1, tableGeometry(header), cacheBytes);
  const written = { header, dataFile, tables, clusters, snapshots, bitmaps };
  const writer = context.writable ? yield* openWriter(context, written) : undefined;
  const state = writer?.state;
  const vmState = new Qcow2VmState({
    storage,
    hold: (entries) =>
      writer === undefined ? lengthenL1(storage, tables, entries) : writer.holdL1(entries),
    header: () => writer?.metadata.header ?? header,
    table: () => snapshot?.l1Table ?? writer?.metadata.header.l1Table ?? header.l1Table,
    sizeBytes: () => state?.sizeBytes ?? sizeBytes,
    grow: writer && ((entries) => writer.growL1(entries)),
  });
  return new QcowImage({
    vmState,
    format: 'qcow2',
    clusterBytes: header.clusterBytes,
    dataMayBeSparse: yield* isMetadataPreallocated(storage, header),
    storages: dataFile === undefined ? [storage] : [storage, dataFile],
    tables,
    entries: header.extendedL2 ? new ExtendedEntries(clusters) : new StandardEntries(clusters),
    compressed,
    state: state ?? {
      sizeBytes,
      backing,
      snapshots: snapshots.list.map(({ info }) => info),
      bitmaps: bitmaps.entries.map(describeBitmap),
      details: describeImage(header, extensions, encryption, snapshot?.info.id),
    },
    ...bitmapReaderOf(context, header, bitmaps, writer),
    ...(writer === undefined ? {} : { writer }),
  });
}

/** Bitmaps belong to the active state; of a snapshot they say nothing. */
function bitmapReaderOf(
  { storage, limits, snapshot }: OpenContext,
  header: Qcow2Header,
  { entries }: BitmapListing,
  writer: Qcow2Writer | undefined,
): { bitmapReader?: BitmapReader } {
  if (snapshot !== undefined) return {};
  return {
    bitmapReader: writer?.bitmapReader ?? new StoredBitmaps(storage, header, entries, limits),
  };
}

/** The table that maps the disk, or the snapshot; entries for saved VM state are left out. */
function* readL1Table(
  { storage, limits, writable }: OpenContext,
  header: Qcow2Header,
  snapshot: Snapshot | undefined,
  sizeBytes: number,
): Step<L1Table> {
  const table = snapshot?.l1Table ?? header.l1Table;
  if (snapshot !== undefined) {
    checkSnapshotL1(table, header.clusterBytes);
    checkL1Size(table, limits, 64);
  }
  const entries = Math.min(table.entries, neededL1Entries(header, sizeBytes));
  return yield* writable
    ? L1Table.readWhole(storage, table.offset, entries, OFFSET_MASK)
    : L1Table.read(storage, table.offset, entries, OFFSET_MASK);
}

function checkL1Size({ entries }: TableReference, limits: Limits, fieldOffset: number): void {
  if (entries * 8 <= limits.maxStructureBytes) return;
  throw new DiskError(
    'limit',
    'qcow2.l1-table-too-large',
    `The L1 table has ${entries} entries, more than ${limits.maxStructureBytes} bytes of them`,
    { offset: fieldOffset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}

function* readBacking(
  storage: Storage,
  { backingName }: Qcow2Header,
  { backingFormat }: HeaderExtensions,
): Step<BackingReference | undefined> {
  if (backingName === undefined) return undefined;
  const bytes = yield* readBytes(storage, backingName.offset, backingName.lengthBytes);
  // QEMU takes names for C strings.
  const end = bytes.indexOf(0);
  const name = decodeFixedText(end < 0 ? bytes : bytes.subarray(0, end));
  return name === '' ? undefined : { name, format: backingFormat };
}

function warnOfState({ warn }: OpenContext, { features }: Qcow2Header): void {
  if (features.incompatible.has(INCOMPATIBLE.corrupt)) {
    warn({
      detail: 'qcow2.marked-corrupt',
      message: 'The image is marked as corrupt: what is read from it may be wrong',
    });
  }
  if (features.incompatible.has(INCOMPATIBLE.dirty)) {
    warn({
      detail: 'qcow2.marked-dirty',
      message: 'The image was not closed properly: its refcounts are out of date, its data is not',
    });
  }
}
