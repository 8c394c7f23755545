/** A cloop image as a map over its blocks, each compressed with zlib and none left out. */
import type {
  Decoder,
  Extent,
  FormatDetails,
  FormatImage,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';
import { corrupt } from './refusals.ts';

export interface CloopDetails extends FormatDetails {
  readonly version: string;
  readonly blockBytes: number;
  readonly blocks: number;
}

/** zlib makes nothing longer than this many bytes and a thousandth. */
const SPARE_BYTES = 1024;

/** The unit that an extent is made of. One object is filled again and again. */
class BlockUnit {
  readonly storage: Storage;
  readonly unitLengthBytes: number;
  readonly decoder: Decoder;
  hostOffset = 0;
  encodedLengthBytes = 0;

  constructor(storage: Storage, unitLengthBytes: number, decoder: Decoder) {
    this.storage = storage;
    this.unitLengthBytes = unitLengthBytes;
    this.decoder = decoder;
  }
}

export class CloopImage implements FormatImage {
  readonly format = 'cloop';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly #blockBytes: number;
  /** Of each block, and behind the last one. */
  readonly #offsets: Float64Array;
  readonly #unit: BlockUnit;

  constructor(storage: Storage, blockBytes: number, offsets: Float64Array, zlib: Decoder) {
    this.sizeBytes = (offsets.length - 1) * blockBytes;
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: blockBytes,
    };
    this.storages = [storage];
    this.#blockBytes = blockBytes;
    this.#offsets = offsets;
    this.#unit = new BlockUnit(storage, blockBytes, zlib);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const block = Math.floor(guestOffset / this.#blockBytes);
    const start = this.#offsets[block]!;
    const end = this.#offsets[block + 1]!;
    const longest = this.#blockBytes + Math.ceil(this.#blockBytes / 1000) + SPARE_BYTES;
    if (end <= start || end - start > longest || end > this.storages[0]!.sizeBytes) {
      const message = `Block ${block} would lie from ${start} to ${end} of the file`;
      throw corrupt('cloop.block-place', message, start);
    }
    this.#unit.hostOffset = start;
    this.#unit.encodedLengthBytes = end - start;
    const skipBytes = guestOffset - block * this.#blockBytes;
    extent.setEncoded(this.#unit, skipBytes, Math.min(lengthBytes, this.#blockBytes - skipBytes));
    return true;
  }

  /** All of the table is in memory. */
  *load(): Step<void> {}

  details(): CloopDetails {
    return { version: '2.0', blockBytes: this.#blockBytes, blocks: this.#offsets.length - 1 };
  }
}
