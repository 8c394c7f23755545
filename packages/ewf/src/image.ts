/** An EWF image as a map over its chunks. */
import type {
  Decoder,
  Extent,
  FormatDetails,
  FormatImage,
  Limits,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';
import type { Acquisition } from './acquisition.ts';
import { plainChunk } from './chunk-decoders.ts';
import { ChunkPlace, ChunkTables } from './chunk-tables.ts';
import type { UnreadSectors } from './digests.ts';
import { corrupt } from './errors.ts';

export interface EwfDetails extends FormatDetails {
  readonly segments: number;
  readonly chunkBytes: number;
  readonly bytesPerSector: number;
  readonly mediaType?: string;
  readonly compressionLevel?: string;
  readonly setIdentifier?: string;
  /** Hexadecimal digests of the disk, as they were noted when the image was made. */
  readonly md5?: string;
  readonly sha1?: string;
  /** Where the medium could not be read. */
  readonly unreadSectors?: readonly UnreadSectors[];
}

const CHECKSUM_BYTES = 4;
/** Compressed chunks are hardly longer than plain ones. */
const SPARE_BYTES = 4096;

/** The unit that an extent is made of. One object is filled again and again. */
class ChunkUnit {
  storage!: Storage;
  hostOffset = 0;
  encodedLengthBytes = 0;
  unitLengthBytes = 0;
  decoder!: Decoder;
}

export class EwfImage implements FormatImage {
  readonly format = 'ewf';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly tables: ChunkTables;
  readonly #acquisition: Acquisition;
  readonly #compressedChunk: Decoder;
  readonly #place = new ChunkPlace();
  readonly #unit = new ChunkUnit();

  constructor(acquisition: Acquisition, compressedChunk: Decoder, limits: Limits) {
    const { media, tables, storages } = acquisition;
    this.sizeBytes = media.sizeBytes;
    this.topology = {
      logicalSectorBytes: media.bytesPerSector,
      physicalSectorBytes: media.bytesPerSector,
      clusterBytes: media.chunkBytes,
    };
    this.storages = storages;
    this.tables = new ChunkTables(tables, !media.isSmart, limits);
    this.#acquisition = acquisition;
    this.#compressedChunk = compressedChunk;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { chunkBytes } = this.#acquisition.media;
    const chunk = Math.floor(guestOffset / chunkBytes);
    if (chunk >= this.tables.chunkCount) throw this.#missing(chunk);
    if (!this.tables.find(chunk, this.#place)) return false;
    const start = chunk * chunkBytes;
    this.#fillUnit(chunk, Math.min(chunkBytes, this.sizeBytes - start));
    const skip = guestOffset - start;
    extent.setEncoded(this.#unit, skip, Math.min(lengthBytes, this.#unit.unitLengthBytes - skip));
    return true;
  }

  *load(guestOffset: number): Step<void> {
    yield* this.tables.load(Math.floor(guestOffset / this.#acquisition.media.chunkBytes));
  }

  #fillUnit(chunk: number, unitLengthBytes: number): void {
    const { offset, end, isCompressed } = this.#place;
    const storage = this.#place.storage!;
    const plainBytes = unitLengthBytes + CHECKSUM_BYTES;
    const roomBytes = Math.min(end, storage.sizeBytes) - offset;
    if (roomBytes < (isCompressed ? 1 : plainBytes)) {
      const message = `Chunk ${chunk} has no place between its offset and the next one`;
      throw corrupt('ewf.chunk-place', message, offset, storage.name);
    }
    const unit = this.#unit;
    unit.storage = storage;
    unit.hostOffset = offset;
    unit.unitLengthBytes = unitLengthBytes;
    unit.encodedLengthBytes = isCompressed
      ? Math.min(roomBytes, 2 * unitLengthBytes + SPARE_BYTES)
      : plainBytes;
    unit.decoder = isCompressed ? this.#compressedChunk : plainChunk;
  }

  #missing(chunk: number) {
    const { name, sizeBytes } = this.storages.at(-1)!;
    const message = `Chunk ${chunk} is missing: the image holds ${this.tables.chunkCount}`;
    return corrupt('ewf.chunk-missing', message, sizeBytes, name);
  }

  details(): EwfDetails {
    const { media, digests, headerValues, unreadSectors, storages } = this.#acquisition;
    const { mediaType, compressionLevel, setIdentifier } = media;
    return {
      ...headerValues,
      segments: storages.length,
      chunkBytes: media.chunkBytes,
      bytesPerSector: media.bytesPerSector,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(compressionLevel === undefined ? {} : { compressionLevel }),
      ...(setIdentifier === undefined ? {} : { setIdentifier }),
      ...digests,
      ...(unreadSectors.length === 0 ? {} : { unreadSectors }),
    };
  }
}
