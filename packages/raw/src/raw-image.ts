/** A raw disk as a map: guest offset and host offset are the same number. */
import { alignUp } from '@diskfile/bytes';
import type { Extent, FormatImage, ImageWriter, Step, Storage } from '@diskfile/core';

/** A file of any length is a whole number of sectors to a guest; what is missing reads as zeros. */
const SECTOR_BYTES = 512;

export class RawImage implements FormatImage {
  readonly format = 'raw';
  readonly sizeBytes: number;
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

  constructor(storage: Storage, writer: ImageWriter | undefined) {
    if (writer !== undefined) this.writer = writer;
    this.#storage = storage;
    this.storages = [storage];
    this.sizeBytes = alignUp(storage.sizeBytes, SECTOR_BYTES);
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
