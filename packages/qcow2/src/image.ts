/** A qcow2 image as a map: guest offsets to clusters, through two levels of tables. */
import type {
  BackingReference,
  BitmapInfo,
  BitmapReader,
  Extent,
  FormatDetails,
  FormatImage,
  ImageWriter,
  SnapshotInfo,
  Step,
  Storage,
  Topology,
  VmStateArea,
} from '@diskfile/core';
import type { CompressedClusters } from './compressed-clusters.ts';
import type { L2Entries } from './tables/l2-entries.ts';
import type { MappingTables } from './tables/mapping-tables.ts';

/** What an image consists of. */
export interface QcowImageParts {
  readonly format: string;
  readonly clusterBytes: number;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly tables: MappingTables;
  readonly entries: L2Entries;
  readonly compressed: CompressedClusters;
  readonly state: ImageState;
  readonly bitmapReader?: BitmapReader;
  readonly writer?: ImageWriter;
  readonly vmState?: VmStateArea;
}

/** What a writer can change about an image besides its content. */
export interface ImageState {
  readonly sizeBytes: number;
  readonly backing: BackingReference | undefined;
  readonly snapshots: readonly SnapshotInfo[] | undefined;
  readonly bitmaps: readonly BitmapInfo[] | undefined;
  readonly details: FormatDetails;
}

export class QcowImage implements FormatImage {
  readonly format: string;
  readonly topology: Topology;
  readonly dataMayBeSparse: boolean;
  readonly bitmapReader?: BitmapReader;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly vmState?: VmStateArea;
  readonly #tables: MappingTables;
  readonly #entries: L2Entries;
  readonly #compressed: CompressedClusters;
  readonly #state: ImageState;

  constructor(parts: QcowImageParts) {
    this.format = parts.format;
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: parts.clusterBytes,
    };
    this.dataMayBeSparse = parts.dataMayBeSparse;
    if (parts.bitmapReader !== undefined) this.bitmapReader = parts.bitmapReader;
    this.storages = parts.storages;
    if (parts.writer !== undefined) this.writer = parts.writer;
    if (parts.vmState !== undefined) this.vmState = parts.vmState;
    this.#tables = parts.tables;
    this.#entries = parts.entries;
    this.#compressed = parts.compressed;
    this.#state = parts.state;
  }

  get sizeBytes(): number {
    return this.#state.sizeBytes;
  }

  get backing(): BackingReference | undefined {
    return this.#state.backing;
  }

  get snapshots(): readonly SnapshotInfo[] | undefined {
    return this.#state.snapshots;
  }

  get bitmaps(): readonly BitmapInfo[] | undefined {
    return this.#state.bitmaps;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const slice = this.#tables.find(guestOffset);
    if (slice !== undefined) return this.#entries.map(slice, guestOffset, lengthBytes, extent);
    const unallocated = this.#tables.unallocatedBytes(guestOffset, lengthBytes);
    if (unallocated === 0) return false;
    extent.setBacking(unallocated);
    return true;
  }

  *load(guestOffset: number): Step<void> {
    const slice = yield* this.#tables.load(guestOffset);
    if (slice === undefined || this.#compressed.isReady) return;
    if (!this.#entries.isCompressed(slice, guestOffset)) return;
    yield* this.#compressed.loadDecoder();
    // While that took its time, other operations may have pushed the slice out.
    yield* this.#tables.load(guestOffset);
  }

  details(): FormatDetails {
    return this.#state.details;
  }
}
