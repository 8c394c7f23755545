/** From version 2 of the format to version 3 (`compat=1.1`) and back (`compat=0.10`). */
import { DiskError, divideUp } from '@diskfile/bytes';
import { flushStorage, type Step, writeBytes } from '@diskfile/core';
import { notWhenEncrypted } from '../encryption.ts';
import { unalignedTable } from '../errors.ts';
import type { TableReference } from '../header/header-places.ts';
import { isCompressed } from '../tables/l2-entry.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import { ClusterTree } from '../snapshots/cluster-tree.ts';
import { encodeSnapshotTable } from '../snapshots/snapshot-entry.ts';
import type { Snapshot } from '../snapshots/snapshots.ts';
import { asVersion2, asVersion3, withSnapshotTable } from './header-changes.ts';
import { ZeroExpansion } from './zero-expansion.ts';

/** Sizes of VM state and disk: version 3 wants them with every snapshot. */
const SNAPSHOT_EXTRA_BYTES = 16;
const MAX_U32 = 0xffff_ffff;

/** Version and, where it has to be written anew, the snapshot table change at one instant. */
export function* upgrade(metadata: ImageMetadata, writer: MetadataWriter): Step<void> {
  const { headerWriter, snapshots, header, map, allocator } = metadata;
  const { clusterBytes, snapshotTable } = header;
  const isComplete = ({ stored }: Snapshot) => stored.extra.length >= SNAPSHOT_EXTRA_BYTES;
  if (snapshots.list.every(isComplete)) {
    yield* headerWriter.rewrite(asVersion3);
    return;
  }
  const bytes = encodeSnapshotTable(snapshots.list);
  const run = yield* writeTable(metadata, writer, bytes);
  const hostOffset = run.start * clusterBytes;
  try {
    yield* headerWriter.rewrite((content) => withSnapshotTable(asVersion3(content), hostOffset));
  } catch (error) {
    allocator.freed.unlink(run);
    throw error;
  }
  map.removeRegions('snapshot table');
  map.addRegion('snapshot table', hostOffset, bytes.length);
  metadata.snapshots = { ...snapshots, lengthBytes: bytes.length };
  allocator.freed.unlink({
    start: snapshotTable.offset / clusterBytes,
    count: divideUp(snapshots.lengthBytes, clusterBytes),
  });
}

/** Writes a table that nothing names yet. */
function* writeTable(
  { storage, allocator, header }: ImageMetadata,
  writer: MetadataWriter,
  bytes: Uint8Array,
): Step<ClusterRun> {
  const count = divideUp(bytes.length, header.clusterBytes);
  const run = { start: yield* allocator.allocate(count), count };
  try {
    yield* writer.finish();
    const padded = new Uint8Array(count * header.clusterBytes);
    padded.set(bytes);
    yield* writeBytes(storage, padded, run.start * header.clusterBytes);
    yield* flushStorage(storage);
  } catch (error) {
    allocator.freed.unlink(run);
    throw error;
  }
  return run;
}

/**
 * @param maxBytes of an L1 table that is read
 * @throws DiskError `unsupported` for what version 2 cannot hold; nothing has changed then
 */
export function* downgrade(
  metadata: ImageMetadata,
  writer: MetadataWriter,
  maxBytes: number,
): Step<void> {
  refuseSnapshots(metadata);
  // Zeros of the host would be noise, and which key they need is not known here.
  if (metadata.header.encryption !== undefined) throw notWhenEncrypted('A change to compat=0.10');
  yield* writer.finish();
  try {
    const tableClusters = yield* readTables(metadata, maxBytes);
    yield* new ZeroExpansion(metadata, writer, tableClusters).run();
  } catch (error) {
    // Like any write that meets such an entry.
    if (isUnaligned(error)) yield* metadata.headerWriter.markCorrupt();
    throw error;
  }
  yield* metadata.headerWriter.rewrite(asVersion2);
}

/** In version 2, a snapshot has the size of the disk, and 32 bits for that of its VM state. */
function refuseSnapshots({ snapshots, header }: ImageMetadata): void {
  for (const { info } of snapshots.list) {
    if (info.vmStateBytes <= MAX_U32 && info.diskSizeBytes === header.sizeBytes) continue;
    throw refused(`The internal snapshot with id ${info.id} has a size that version 2 cannot hold`);
  }
}

function unaligned({ offset }: TableReference, index: number, tableOffset: number): DiskError {
  return unalignedTable(index, tableOffset, offset + index * 8);
}

function isUnaligned(error: unknown): boolean {
  if (!(error instanceof DiskError)) return false;
  return error.detail === 'qcow2.l2-table-unaligned' || error.detail === 'qcow2.l2-entry-unaligned';
}

/** Host clusters of all L2 tables, those of snapshots among them. */
function* readTables(metadata: ImageMetadata, maxBytes: number): Step<Set<number>> {
  const { header, snapshots } = metadata;
  const l1Tables = [header.l1Table, ...snapshots.list.map(({ l1Table }) => l1Table)];
  const clusters = new Set<number>();
  for (const l1Table of l1Tables) {
    const tree = yield* ClusterTree.read(metadata, l1Table, maxBytes, unaligned);
    if (header.compressionType === 'zstd') yield* refuseCompressed(tree);
    for (const cluster of tree.tableClusters()) clusters.add(cluster);
  }
  return clusters;
}

function* refuseCompressed(tree: ClusterTree): Step<void> {
  yield* tree.visitTables((l2) => {
    for (let at = 0; at < l2.byteLength; at += 8) {
      if (!isCompressed(l2.getUint32(at))) continue;
      throw refused('The image has clusters that are compressed with zstd');
    }
  });
}

function refused(message: string): DiskError {
  return new DiskError('unsupported', 'qcow2.amend.compat', message, {
    op: 'amend',
    format: 'qcow2',
    hint: 'Convert it to a new image with compat=0.10 instead.',
  });
}
