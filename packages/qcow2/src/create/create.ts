/**
 * Lays out new images, cluster for cluster as `qemu-img create` does: header, refcount table,
 * refcount block, L1 table; then, where space is preallocated, L2 tables and data.
 */
import { alignUp, writeU64be } from '@diskfile/bytes';
import {
  type CreateContext,
  DEFAULT_LIMITS,
  flushStorage,
  type FormatOptions,
  growStorage,
  type NamedFile,
  noDecoders,
  parseImageName,
  type Step,
  type WritableStorage,
  inContext,
  setAside,
  writeBytes,
} from '@diskfile/core';
import { ClusterTables } from '../tables/cluster-tables.ts';
import { CompressedClusters } from '../compressed-clusters.ts';
import { type ImageLayout, parseCreateOptions } from './create-options.ts';
import { ImageEncryption } from '../encryption.ts';
import { encodeHeader } from '../header/header-encoder.ts';
import { HeaderWriter } from '../header/header-writer.ts';
import { HostClusters } from '../allocation/host-clusters.ts';
import { L1Table } from '../tables/l1-table.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import { MappingTables, tableGeometry } from '../tables/mapping-tables.ts';
import { MetadataWriter } from '../metadata-writer.ts';
import { ImageMetadata, openMetadata } from '../metadata.ts';
import { encryptionFormat, writeLuksHeader } from './new-encryption.ts';
import { preallocate } from '../allocation/preallocation.ts';

const FIRST_TABLES = { refcountTable: 1, refcountBlock: 2, end: 3 } as const;

/** See {@link FormatDriver.create}. */
export function* createQcow2(context: CreateContext): Step<void> {
  const layout = parseCreateOptions(context);
  const { storage } = context;
  const first = yield* writeFirstTables(storage, layout);
  const { dataFileName } = layout;
  const dataFile =
    dataFileName === undefined ? undefined : yield* context.createNamed(dataFileOf(dataFileName));
  if (dataFile !== undefined) yield* sizeDataFile(dataFile, layout);
  yield* writeTables(first, dataFile, layout);
  if (dataFile !== undefined) yield* flushStorage(dataFile);
}

/** See {@link FormatDriver.encrypts}. */
export function encryptsQcow2(options: FormatOptions): boolean {
  return encryptionFormat(options) !== undefined;
}

function dataFileOf(name: string): NamedFile {
  const { role, filename, offset, lengthBytes } = parseImageName(name, 'data-file');
  return { role, filename, offset, lengthBytes };
}

/** The tables that count the first clusters, and among them themselves. */
function* writeFirstTables(storage: WritableStorage, layout: ImageLayout): Step<ImageMetadata> {
  const { clusterBytes } = layout;
  const refcountTable = new Uint8Array(clusterBytes);
  writeU64be(refcountTable, 0, FIRST_TABLES.refcountBlock * clusterBytes);
  yield* writeBytes(storage, refcountTable, FIRST_TABLES.refcountTable * clusterBytes);
  yield* writeBytes(
    storage,
    new Uint8Array(clusterBytes),
    FIRST_TABLES.refcountBlock * clusterBytes,
  );
  // Nothing is lazy about a new image, and its L1 table comes later.
  const places = {
    l1Offset: 0,
    refcountTableOffset: FIRST_TABLES.refcountTable * clusterBytes,
    refcountTableClusters: 1,
  };
  const empty = {
    ...layout,
    sizeBytes: 0,
    l1Entries: 0,
    lazyRefcounts: false,
    encryption: undefined,
  };
  const headerWriter = new HeaderWriter(storage, encodeHeader(empty, places));
  const l1 = yield* L1Table.readWhole(storage, 0, 0, OFFSET_MASK);
  const cacheBytes = DEFAULT_LIMITS.metadataCacheBytes;
  const metadata = yield* openMetadata({
    headerWriter,
    storage,
    dataFile: undefined,
    tables: new MappingTables(storage, l1, tableGeometry(headerWriter.header), cacheBytes),
    snapshots: { list: [], lengthBytes: 0 },
    cacheBytes,
    // A new image has no damage to tell of.
    warn: () => undefined,
  });
  yield* metadata.refcounts.raise({ start: 0, count: FIRST_TABLES.end });
  metadata.allocator.skipTo(FIRST_TABLES.end);
  return metadata;
}

/** All that follows, and the header last: until then the file is no image. */
function* writeTables(
  initial: ImageMetadata,
  dataFile: WritableStorage | undefined,
  layout: ImageLayout,
): Step<void> {
  const { storage, refcounts, allocator, map } = initial;
  const { clusterBytes, l1Entries } = layout;
  let l1Offset = 0;
  if (l1Entries > 0) {
    const clusters = Math.ceil((l1Entries * 8) / clusterBytes);
    l1Offset = (yield* allocator.allocate(clusters)) * clusterBytes;
    map.addRegion('L1 table', l1Offset, l1Entries * 8);
    const writing = writeBytes(storage, new Uint8Array(l1Entries * 8), l1Offset);
    yield* inContext({ purpose: 'l1-table' }, writing);
  }
  const l1 = yield* L1Table.readWhole(storage, l1Offset, l1Entries, OFFSET_MASK);
  const mapping = new MappingTables(storage, l1, tableGeometry(initial.header), initial.cacheBytes);
  const metadata = new ImageMetadata(
    { ...initial, dataFile, tables: mapping },
    refcounts,
    map,
    allocator,
  );
  const writer = new MetadataWriter(metadata);
  const { preallocation, sizeBytes } = layout;
  if (sizeBytes > 0 || preallocation !== 'metadata') {
    const tables = new ClusterTables(metadata, hostClusters(metadata, layout));
    yield* preallocate(
      tables,
      { preallocation, from: 0, to: sizeBytes, asData: false, copied: { lengthBytes: 0 } },
      writer,
    );
  }
  const { encryption } = layout;
  const luksPointer =
    encryption?.luks && (yield* writeLuksHeader(metadata, encryption.luks, encryption.passphrase));
  yield* writer.finish();
  const { table } = refcounts;
  const header = encodeHeader(layout, {
    l1Offset,
    refcountTableOffset: table.hostOffset,
    refcountTableClusters: table.bytes.length / clusterBytes,
    ...(luksPointer === undefined ? {} : { luksPointer }),
  });
  yield* writeBytes(storage, header, 0);
  yield* flushStorage(storage);
}

/** A new image has no compressed clusters, so no decoder is ever asked for. */
function hostClusters(
  { header, storage, dataFile }: ImageMetadata,
  layout: ImageLayout,
): HostClusters {
  const compressed = new CompressedClusters(storage, header.clusterBytes, noDecoders, '');
  // Nothing is read or written through it yet.
  const encryption =
    layout.encryption &&
    new ImageEncryption(
      layout.encryption.luks === undefined ? 'aes' : 'luks',
      undefined,
      undefined,
    );
  return new HostClusters(header, storage, dataFile, compressed, encryption);
}

function* sizeDataFile(dataFile: WritableStorage, layout: ImageLayout): Step<void> {
  const { preallocation, clusterBytes, extendedL2 } = layout;
  // What is mapped is there, as far as it can be written in one piece.
  const unitBytes = preallocation !== 'off' && !extendedL2 ? clusterBytes : 1;
  const sizeBytes = alignUp(layout.sizeBytes, unitBytes);
  yield* growStorage(dataFile, sizeBytes);
  yield* setAside(dataFile, { from: 0, to: sizeBytes, preallocation });
}
