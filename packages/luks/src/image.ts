/** A LUKS disk as a map: everything behind the header, decrypted. */
import {
  type LuksHeader,
  type CipherStorage,
  describeLuks,
  passphraseMissing,
} from '@diskfile/crypto';
import type {
  Extent,
  FormatDetails,
  FormatImage,
  ImageWriter,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';

export interface LuksImageParts {
  readonly header: LuksHeader;
  readonly storage: Storage;
  /** Gives the disk in clear; undefined without a passphrase. */
  readonly clear: CipherStorage | undefined;
  readonly size: { readonly sizeBytes: number };
  readonly writer: ImageWriter | undefined;
}

export class LuksImage implements FormatImage {
  readonly format = 'luks';
  readonly topology: Topology = {
    logicalSectorBytes: 512,
    physicalSectorBytes: 512,
    clusterBytes: 1,
  };
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #header: LuksHeader;
  readonly #clear: CipherStorage | undefined;
  readonly #size: { readonly sizeBytes: number };

  constructor({ header, storage, clear, size, writer }: LuksImageParts) {
    this.storages = [storage];
    this.#header = header;
    this.#clear = clear;
    this.#size = size;
    if (writer !== undefined) this.writer = writer;
  }

  get sizeBytes(): number {
    return this.#size.sizeBytes;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    if (this.#clear === undefined) throw passphraseMissing('luks');
    extent.setData(this.#clear, this.#header.payloadOffset + guestOffset, lengthBytes);
    return true;
  }

  *load(): Step<void> {}

  details(): FormatDetails {
    const locked = this.#clear === undefined;
    return { encryption: { method: 'luks', locked }, ...describeLuks(this.#header) };
  }
}
