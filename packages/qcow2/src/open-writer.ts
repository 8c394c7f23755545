/** Opens an image for writing: what stands in the way is refused, what has to be done first is done. */
import { DiskError } from '@diskfile/bytes';
import {
  isWritable,
  type Limits,
  type OpenContext,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import type { BitmapListing } from './bitmaps/bitmap-directory.ts';
import { locked } from './encryption.ts';
import { AUTOCLEAR, INCOMPATIBLE } from './header/features.ts';
import { HeaderWriter } from './header/header-writer.ts';
import { markedCorrupt, type Qcow2Header } from './header/header.ts';
import type { HostClusters } from './allocation/host-clusters.ts';
import type { MappingTables } from './tables/mapping-tables.ts';
import { type ImageMetadata, openMetadata } from './metadata.ts';
import { rebuildRefcounts } from './refcounts/rebuild.ts';
import { readInactiveTables } from './snapshots/inactive-tables.ts';
import { checkSnapshotL1, type SnapshotTable } from './snapshots/snapshots.ts';
import { Qcow2Writer } from './writer.ts';

export interface WritableImageParts {
  readonly header: Qcow2Header;
  readonly dataFile: Storage | undefined;
  readonly tables: MappingTables;
  readonly clusters: HostClusters;
  readonly snapshots: SnapshotTable;
  readonly bitmaps: BitmapListing;
}

/** Refuses images that can be read and must not be written as they are. */
export function refuseWriting(
  { snapshot, passphrase }: OpenContext,
  { features, encryption }: Qcow2Header,
): void {
  if (snapshot !== undefined) {
    throw new DiskError(
      'read-only',
      'qcow2.snapshot-read-only',
      'A snapshot cannot be written, only the active state of the image',
      { hint: 'Open the image without a snapshot, or apply the snapshot first.' },
    );
  }
  if (features.incompatible.has(INCOMPATIBLE.corrupt)) throw markedCorrupt();
  if (encryption !== undefined && passphrase === undefined) throw locked(encryption);
}

/** The writer of an image whose mapping has been read. */
export function* openWriter(context: OpenContext, parts: WritableImageParts): Step<Qcow2Writer> {
  const { header } = parts;
  const storage = writable(context.storage);
  const dataFile = parts.dataFile && writable(parts.dataFile);
  const cacheBytes = context.limits.metadataCacheBytes;
  const headerWriter = yield* HeaderWriter.read(storage, header);
  const { tuning, hasBelow } = context;
  const warn = context.warn.bind(context);
  const places = { storage, dataFile, cacheBytes, tuning, hasBelow, warn };
  const metadata = yield* openMetadata({ ...parts, ...places, headerWriter });
  if (tuning?.overlapChecks?.has('inactive-l2') === true) {
    yield* guardInactiveTables(metadata, context.limits);
  }
  yield* headerWriter.clearAutoclear(parts.bitmaps.state === 'none' ? [] : [AUTOCLEAR.bitmaps]);
  const writer = new Qcow2Writer(metadata, parts.clusters, context.limits);
  if (header.features.incompatible.has(INCOMPATIBLE.dirty)) {
    yield* metadata.allocator.guard.refuseConflict();
    yield* rebuildRefcounts(metadata, context.limits);
    yield* writer.finishRefcounts();
  }
  yield* writer.takeBitmaps(parts.bitmaps, warn);
  return writer;
}

function* guardInactiveTables(metadata: ImageMetadata, limits: Limits): Step<void> {
  const { storage, header, snapshots, map } = metadata;
  const { clusterBytes } = header;
  try {
    for (const { l1Table } of snapshots.list) checkSnapshotL1(l1Table, clusterBytes);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return map.refuseWrites(error);
  }
  map.setInactiveTables(
    yield* readInactiveTables(storage, clusterBytes, snapshots, limits.maxStructureBytes),
  );
}

function writable(storage: Storage): WritableStorage {
  if (isWritable(storage)) return storage;
  throw new DiskError(
    'read-only',
    'qcow2.storage-read-only',
    'A file of the image was opened for reading only',
    { path: storage.name, hint: 'Check its permissions, or open the image read-only.' },
  );
}
