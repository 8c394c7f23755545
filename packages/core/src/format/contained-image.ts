/** An image within a container: the disk is the inner image's, the format and the file the outer's. */
import type { Extent } from '../engine/extent.ts';
import type { BackingReference, NamedFile } from '../open/reference.ts';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';
import type { DiskInFile, FormatDetails, FormatImage, Topology } from './format-image.ts';
import type { BitmapInfo, SnapshotInfo } from './snapshot-info.ts';
import type { BitmapReader } from './writer-capabilities.ts';

export interface Container {
  readonly format: string;
  /** The host file. */
  readonly storage: Storage;
  /** What the inner image was opened from. */
  readonly content: Storage;
  readonly details: FormatDetails;
  readonly disks?: readonly DiskInFile[];
  readonly openNamed?: (file: NamedFile) => Step<Storage>;
}

export class ContainedImage implements FormatImage {
  readonly format: string;
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing: BackingReference | undefined;
  readonly dataMayBeSparse: boolean;
  readonly snapshots: readonly SnapshotInfo[] | undefined;
  readonly bitmaps: readonly BitmapInfo[] | undefined;
  readonly bitmapReader?: BitmapReader;
  readonly storages: readonly Storage[];
  readonly disks?: readonly DiskInFile[];
  readonly openNamed?: (file: NamedFile) => Step<Storage>;
  readonly #inner: FormatImage;
  readonly #details: FormatDetails;

  constructor(container: Container, inner: FormatImage) {
    const { storage, content, disks, openNamed = inner.openNamed } = container;
    this.format = container.format;
    this.sizeBytes = inner.sizeBytes;
    this.topology = inner.topology;
    this.backing = inner.backing;
    this.dataMayBeSparse = inner.dataMayBeSparse;
    this.snapshots = inner.snapshots;
    this.bitmaps = inner.bitmaps;
    if (inner.bitmapReader !== undefined) this.bitmapReader = inner.bitmapReader;
    this.storages = [storage, ...inner.storages.filter((each) => each !== content)];
    this.#inner = inner;
    this.#details = container.details;
    const listed = disks ?? inner.disks;
    if (listed !== undefined) this.disks = listed;
    if (openNamed !== undefined) this.openNamed = openNamed;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return this.#inner.lookup(guestOffset, lengthBytes, extent);
  }

  load(guestOffset: number): Step<void> {
    return this.#inner.load(guestOffset);
  }

  get belowFault(): FormatImage['belowFault'] {
    return this.#inner.belowFault;
  }

  checkBacking(below: FormatImage): void {
    this.#inner.checkBacking?.(below);
  }

  details(): FormatDetails {
    const { format } = this.#inner;
    return { ...this.#details, contains: format, content: this.#inner.details() };
  }
}
