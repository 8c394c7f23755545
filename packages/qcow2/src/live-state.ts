/** The state of an image that is open for writing, as its header and tables have it now. */
import type { BackingReference, BitmapInfo, FormatDetails, SnapshotInfo } from '@diskfile/core';
import type { LiveBitmaps } from './bitmaps/live-bitmaps.ts';
import { describeImage } from './details.ts';
import type { ImageEncryption } from './encryption.ts';
import type { ImageState } from './image.ts';
import type { ImageMetadata } from './metadata.ts';

export class LiveState implements ImageState {
  readonly #metadata: ImageMetadata;
  readonly #bitmaps: LiveBitmaps;
  readonly #encryption: ImageEncryption | undefined;

  constructor(
    metadata: ImageMetadata,
    bitmaps: LiveBitmaps,
    encryption: ImageEncryption | undefined,
  ) {
    this.#metadata = metadata;
    this.#bitmaps = bitmaps;
    this.#encryption = encryption;
  }

  get bitmaps(): readonly BitmapInfo[] {
    return this.#bitmaps.list();
  }

  get sizeBytes(): number {
    return this.#metadata.headerWriter.header.sizeBytes;
  }

  get backing(): BackingReference | undefined {
    return this.#metadata.headerWriter.backing;
  }

  get snapshots(): readonly SnapshotInfo[] {
    return this.#metadata.snapshots.list.map(({ info }) => info);
  }

  get details(): FormatDetails {
    const { header, extensions } = this.#metadata.headerWriter;
    return describeImage(header, extensions, this.#encryption, undefined);
  }
}
