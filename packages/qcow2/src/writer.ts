/** The writing half of a qcow2 image: what the engine asks for, over tables kept in memory. */
import type { DiskError } from '@diskfile/bytes';
import {
  type Allocation,
  announce,
  announceFlush,
  type BackingWriter,
  type BitmapReader,
  type BitmapWriter,
  type CompressedWriter,
  type DiskWarning,
  type EarlierPart,
  type Extent,
  type ImageAmender,
  type ImageResizer,
  type ImageWriter,
  type Limits,
  type SnapshotWriter,
  type Step,
} from '@diskfile/core';
import { Qcow2Amender } from './amend/amender.ts';
import { Qcow2BackingWriter } from './header/backing-writer.ts';
import { BitmapResizing } from './bitmaps/bitmap-resizing.ts';
import { BitmapOperations } from './bitmaps/bitmap-operations.ts';
import { LiveBitmaps } from './bitmaps/live-bitmaps.ts';
import type { BitmapListing } from './bitmaps/bitmap-directory.ts';
import { allocateClusters, hasData } from './allocation/cluster-allocation.ts';
import { ClusterTables } from './tables/cluster-tables.ts';
import { CompressedClusterWriter } from './allocation/compressed-allocation.ts';
import {
  discardClusters,
  unitsAsData,
  zeroClusters,
  type ZeroingContext,
} from './tables/cluster-zeroing.ts';
import { AUTOCLEAR } from './header/features.ts';
import { FreeSpace } from './allocation/free-space.ts';
import type { HostClusters } from './allocation/host-clusters.ts';
import type { ImageState } from './image.ts';
import { LiveState } from './live-state.ts';
import type { ImageMetadata } from './metadata.ts';
import { MetadataWriter } from './metadata-writer.ts';
import { growL1For, holdBehind } from './resize/l1-growth.ts';
import { Qcow2Resizer } from './resize/resizer.ts';
import { Qcow2SnapshotWriter } from './snapshots/snapshot-writer.ts';
import type { TableSlice } from './tables/table-cache.ts';

const SECTOR_BYTES = 512;
/** Damage of tables that QEMU marks an image for, besides what lies upon each other. */
const FATAL_DAMAGE: ReadonlySet<string> = new Set([
  'qcow2.data-file-offset',
  'qcow2.l2-table-unaligned',
  'qcow2.l2-entry-bitmap',
  'qcow2.l2-entry-unaligned',
  'qcow2.refcount-block-offset',
  'qcow2.write-entry-bitmap',
  'qcow2.write-place-unaligned',
]);

export class Qcow2Writer implements ImageWriter {
  readonly unitBytes: number;
  readonly blockBytes?: number;
  readonly sectorBytes?: number;
  readonly metadata: ImageMetadata;
  readonly state: ImageState;
  readonly backing: BackingWriter;
  readonly amender: ImageAmender;
  readonly resizer: ImageResizer;
  /** Undefined with an external data file: nothing counts how often its clusters are used. */
  readonly snapshots?: SnapshotWriter;
  readonly bitmaps: BitmapWriter;
  /** Undefined with an external data file, which holds every cluster at its own place, and with encryption. */
  readonly compression?: CompressedWriter;
  readonly #bitmaps: LiveBitmaps;
  readonly #tables: ClusterTables;
  readonly #writer: MetadataWriter;
  readonly #zeroing: ZeroingContext;
  readonly #freeSpace: FreeSpace;

  constructor(metadata: ImageMetadata, clusters: HostClusters, limits: Limits) {
    this.metadata = metadata;
    this.#writer = new MetadataWriter(metadata);
    // Whoever injects failures, or counts after a crash, sees tables arrive as QEMU writes them.
    const isWatched = metadata.storage.events !== undefined || metadata.lazyRefcounts;
    const links = isWatched ? this.#writer : undefined;
    metadata.allocator.growth.links = links;
    this.#tables = new ClusterTables(metadata, clusters, links);
    this.#bitmaps = new LiveBitmaps(metadata, () => this.#writer.finish(), limits);
    this.bitmaps = new BitmapOperations(this.#bitmaps);
    this.state = new LiveState(metadata, this.#bitmaps, clusters.encryption);
    this.#freeSpace = new FreeSpace(metadata);
    this.#zeroing = {
      tables: this.#tables,
      makeRoom: () => this.#writer.makeRoom(),
      reuseFreed: () => this.#flushToReuse(),
    };
    this.backing = new Qcow2BackingWriter(this.#zeroing, this.#writer);
    this.amender = new Qcow2Amender({
      tables: this.#tables,
      clusters,
      writer: this.#writer,
      state: this.state,
      maxStructureBytes: limits.maxStructureBytes,
    });
    this.resizer = new Qcow2Resizer({
      tables: this.#tables,
      writer: this.#writer,
      limits,
      follower: new BitmapResizing(this.#bitmaps),
    });
    if (metadata.dataFile === undefined) {
      this.snapshots = new Qcow2SnapshotWriter(metadata, this.#writer, this.state, limits);
    }
    if (clusters.encryption !== undefined) this.sectorBytes = SECTOR_BYTES;
    // QEMU has no clusters that are both.
    if (metadata.dataFile === undefined && clusters.encryption === undefined) {
      this.compression = new CompressedClusterWriter(this.#tables, () => this.#prepare());
    }
    this.unitBytes = this.#tables.unitBytes;
    // Whoever watches is shown one write after the other.
    if (metadata.storage.events === undefined) this.blockBytes = metadata.header.clusterBytes;
  }

  /** A data file holds each cluster at its own place. */
  get zeroesInPlace(): boolean {
    return this.metadata.dataFile !== undefined;
  }

  /** Whether the data file has to read the same without the image. */
  get #hasRawData(): boolean {
    return this.metadata.header.features.autoclear.has(AUTOCLEAR.rawExternalData);
  }

  /** As QEMU does it; version 2 has no zero clusters, and gives up those that nothing lies below. */
  get zeroesAround(): boolean {
    const { header, asQemu, hasBacking } = this.metadata;
    return header.version >= 3 || (asQemu && !hasBacking);
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { tables, headerWriter, isUnsettled } = this.metadata;
    const slice = tables.find(guestOffset);
    if (slice === undefined) {
      const empty = tables.unallocatedBytes(guestOffset, lengthBytes);
      if (empty > 0) extent.setBacking(empty);
      return empty > 0;
    }
    // While the file may call clusters shared, allocate() has to settle that.
    const mayOverwrite = !headerWriter.isCorrupt && !isUnsettled;
    const own = mayOverwrite && tables.l1.isCopied(tables.l1IndexOf(guestOffset));
    const { unitBytes } = this.#tables;
    const end = Math.min(guestOffset + lengthBytes, slice.endGuestOffset);
    const hostOffset = own ? this.#inPlaceAt(slice, guestOffset) : undefined;
    let at = guestOffset - (guestOffset % unitBytes) + unitBytes;
    while (at < end) {
      const next = own ? this.#inPlaceAt(slice, at) : undefined;
      const expected = hostOffset === undefined ? undefined : hostOffset + (at - guestOffset);
      if (next !== expected) break;
      at += unitBytes;
    }
    const reached = Math.min(at, end) - guestOffset;
    if (hostOffset === undefined) extent.setBacking(reached);
    else extent.setData(this.#tables.dataAt(hostOffset, guestOffset), hostOffset, reached);
    return true;
  }

  /** Where the byte at `guestOffset` may be overwritten; undefined where it may not. */
  #inPlaceAt(slice: TableSlice, guestOffset: number): number | undefined {
    const tables = this.#tables;
    const entry = tables.read(slice, guestOffset);
    if (!entry.hosted || !entry.copied || !hasData(tables, entry, guestOffset)) return undefined;
    tables.checkWritten(slice, guestOffset, entry);
    // The allocation that follows refuses it.
    if (tables.overlapAt(entry) !== undefined) return undefined;
    return entry.hostOffset + (guestOffset % tables.clusterBytes);
  }

  *allocate(guestOffset: number, lengthBytes: number, before?: EarlierPart): Step<Allocation> {
    const { allocator } = this.metadata;
    yield* this.#prepare();
    // QEMU goes on to look for space while the parts of a request before are being written.
    allocator.seesFreed = before?.goesOn !== true;
    try {
      return yield* allocateClusters(this.#tables, guestOffset, lengthBytes, before?.behind);
    } finally {
      allocator.seesFreed = true;
    }
  }

  /** Comes before every allocation. */
  *#prepare(): Step<void> {
    this.#tables.refuseWhenCorrupt();
    yield* this.#writer.makeRoom();
  }

  *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    this.#tables.refuseWhenCorrupt();
    // Zeros of the host are none of the disk: the engine writes them.
    if (this.#hasRawData && this.#tables.isEncrypted) return 0;
    return yield* zeroClusters(this.#zeroing, guestOffset, lengthBytes, mayUnmap);
  }

  *zeroesAsData(guestOffset: number, lengthBytes: number): Step<number> {
    return yield* unitsAsData(this.#tables, guestOffset, lengthBytes);
  }

  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    this.#tables.refuseWhenCorrupt();
    if (this.#hasRawData && this.#tables.isEncrypted) return;
    yield* discardClusters(this.#zeroing, guestOffset, lengthBytes);
  }

  *flush(): Step<void> {
    const { storage, allocator } = this.metadata;
    yield* announce(storage, 'flush_to_os');
    this.#freeSpace.add(allocator.abandoned);
    allocator.abandoned.clear();
    yield* this.#freeSpace.punch();
    yield* this.#writer.flush();
    yield* announceFlush(storage);
  }

  /** Writes refcounts that were rebuilt, and clears the dirty bit. */
  *finishRefcounts(): Step<void> {
    yield* this.#writer.finish();
  }

  *noteDamage({ detail }: DiskError): Step<void> {
    if (FATAL_DAMAGE.has(detail)) yield* this.metadata.headerWriter.markCorrupt();
  }

  /** Makes the L1 table long enough for what lies behind the disk. */
  growL1(entries: number): Step<void> {
    return growL1For({ tables: this.#tables, writer: this.#writer }, entries);
  }

  /** Takes in entries of the L1 table that lie behind the disk. */
  holdL1(entries: number): Step<void> {
    return holdBehind(this.metadata, entries);
  }

  reclaim(): void {
    this.#freeSpace.add(this.metadata.allocator.reclaim());
  }

  /** Takes over the bitmaps of the image. Refcounts are right by then. */
  *takeBitmaps(listing: BitmapListing, warn: (warning: DiskWarning) => void): Step<void> {
    yield* this.#bitmaps.open(listing, warn);
  }

  get bitmapReader(): BitmapReader {
    return this.#bitmaps;
  }

  /** What was given up is used again as soon as nobody reads it any more, where QEMU does so. */
  attach(endReads: () => boolean): void {
    const { asQemu, allocator } = this.metadata;
    if (asQemu) allocator.reuseAtOnce(() => this.#reuseUnread(endReads));
  }

  /** @returns whether what was given up is free now */
  *#reuseUnread(endReads: () => boolean): Step<boolean> {
    const { allocator, headerWriter } = this.metadata;
    if (allocator.freed.isWaiting || !endReads()) return false;
    yield* this.#flushToReuse();
    return !headerWriter.isGivenUp;
  }

  *#flushToReuse(): Step<void> {
    yield* this.#writer.sync();
    this.#reuseFreed();
  }

  /** No read looks at what was given up since the last flush. */
  #reuseFreed(): void {
    const { freed } = this.metadata.allocator;
    if (freed.isWaiting) return;
    freed.seal();
    this.reclaim();
  }

  *close(): Step<void> {
    yield* this.#writer.finish();
    if (yield* this.#bitmaps.close()) yield* this.#writer.finish();
    // Since the last flush only tables were freed, which no read looks at.
    this.#reuseFreed();
    yield* this.#freeSpace.punch();
    if (this.metadata.cutsEnd) yield* this.#freeSpace.truncate();
  }
}
