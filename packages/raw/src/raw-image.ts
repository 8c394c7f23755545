/** A raw disk as a map: guest offset and host offset are the same number. */
import {
  dataOf,
  type Extent,
  type FlatSize,
  type FormatImage,
  type ImageWriter,
  type Step,
  type Storage,
} from '@diskfile/core';
import { SECTOR_BYTES } from './raw-size.ts';

export class RawImage implements FormatImage {
  readonly format = 'raw';
  readonly topology = {
    logicalSectorBytes: SECTOR_BYTES,
    physicalSectorBytes: SECTOR_BYTES,
    clusterBytes: 1,
  };
  readonly backing = undefined;
  readonly dataMayBeSparse = true;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #storage: Storage;
  readonly #size: FlatSize;

  constructor(storage: Storage, size: FlatSize, writer: ImageWriter | undefined) {
    if (writer !== undefined) this.writer = writer;
    this.#storage = dataOf(storage);
    this.storages = [storage];
    this.#size = size;
  }

  get sizeBytes(): number {
    return this.#size.sizeBytes;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    extent.setData(this.#storage, guestOffset, lengthBytes);
    return true;
  }

  *load(): Step<void> {}

  details(): Record<string, never> {
    return {};
  }
}
