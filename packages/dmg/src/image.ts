/** A UDIF image as a map over its chunks. */
import { DiskError } from '@diskfile/bytes';
import type {
  Decoder,
  DecoderSet,
  Extent,
  FormatDetails,
  FormatImage,
  Limits,
  NamedFile,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';
import type { ChunkTable } from './chunk-table.ts';
import { corrupt, tooLarge } from './refusals.ts';
import { ENTRY_TYPE, SECTOR_BYTES } from './structs.ts';
import type { Checksum, Trailer } from './trailer.ts';

/** What decodes the chunks of each type. */
const DECODER_IDS: ReadonlyMap<number, string> = new Map([
  [ENTRY_TYPE.adc, 'adc'],
  [ENTRY_TYPE.zlib, 'zlib'],
  [ENTRY_TYPE.bzip2, 'bzip2'],
  [ENTRY_TYPE.lzfse, 'lzfse'],
  [ENTRY_TYPE.lzma, 'xz'],
]);
/** Parts of the disk that details name; images of the usual kind have up to ten. */
const MAX_LISTED_PARTS = 100;

/** What an image is opened from. */
export interface ImageSource {
  readonly storage: Storage;
  readonly decoders: DecoderSet;
  readonly limits: Limits;
  openNamed(file: NamedFile): Step<Storage>;
}

export interface DmgDetails extends FormatDetails {
  readonly imageVariant: number;
  readonly chunks: number;
  readonly masterChecksum?: Checksum;
  readonly dataChecksum?: Checksum;
  /** Mostly one for each partition and each table before and behind them. */
  readonly parts: readonly {
    readonly name: string;
    readonly startBytes: number;
    readonly lengthBytes: number;
    readonly checksum?: Checksum;
  }[];
}

/** The unit that an extent is made of. One object is filled again and again. */
class ChunkUnit {
  readonly storage: Storage;
  hostOffset = 0;
  encodedLengthBytes = 0;
  unitLengthBytes = 0;
  decoder!: Decoder;

  constructor(storage: Storage) {
    this.storage = storage;
  }
}

export class DmgImage implements FormatImage {
  readonly format = 'dmg';
  readonly sizeBytes: number;
  readonly topology: Topology = {
    logicalSectorBytes: SECTOR_BYTES,
    physicalSectorBytes: SECTOR_BYTES,
    clusterBytes: SECTOR_BYTES,
  };
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly chunks: ChunkTable;
  readonly trailer: Trailer;
  readonly #storage: Storage;
  readonly #decoders: DecoderSet;
  readonly #maxChunkBytes: number;
  readonly #loaded = new Map<number, Decoder>();
  readonly #unit: ChunkUnit;

  /** @param files what offsets of chunks count in, and all files of the image, its first one first */
  constructor(
    files: { readonly content: Storage; readonly all: readonly Storage[] },
    trailer: Trailer,
    chunks: ChunkTable,
    decoders: DecoderSet,
    limits: Limits,
  ) {
    this.sizeBytes = (trailer.sectorCount || chunks.endSector) * SECTOR_BYTES;
    this.storages = files.all;
    this.chunks = chunks;
    this.trailer = trailer;
    this.#storage = files.content;
    this.#decoders = decoders;
    this.#maxChunkBytes = limits.maxStructureBytes;
    this.#unit = new ChunkUnit(files.content);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { chunks } = this;
    const sector = Math.floor(guestOffset / SECTOR_BYTES);
    const index = chunks.find(sector);
    if (index === -1) {
      throw corrupt('dmg.gap', `No chunk of the image says what is in sector ${sector}`);
    }
    const skipBytes = guestOffset - chunks.firstSector(index) * SECTOR_BYTES;
    const chunkBytes = chunks.sectorCount(index) * SECTOR_BYTES;
    const length = Math.min(lengthBytes, chunkBytes - skipBytes);
    const type = chunks.type(index);
    if (type === ENTRY_TYPE.zero || type === ENTRY_TYPE.ignore) {
      extent.setZero(length);
    } else if (type === ENTRY_TYPE.raw) {
      this.#requireLength(index, chunkBytes);
      extent.setData(this.#storage, chunks.hostOffset(index) + skipBytes, length);
    } else {
      const decoder = this.#loaded.get(type);
      if (decoder === undefined) return false;
      this.#fillUnit(index, chunkBytes, decoder);
      extent.setEncoded(this.#unit, skipBytes, length);
    }
    return true;
  }

  /** Brings up the decoder of the chunk that holds an offset. */
  *load(guestOffset: number): Step<void> {
    const index = this.chunks.find(Math.floor(guestOffset / SECTOR_BYTES));
    const type = this.chunks.type(index);
    const id = DECODER_IDS.get(type);
    if (id === undefined) {
      throw new DiskError(
        'unsupported',
        'dmg.chunk-type',
        `The image has chunks of an unknown type (0x${type.toString(16)})`,
        { hint: 'ADC, zlib, bzip2, LZFSE and LZMA are known, and chunks that are not compressed.' },
      );
    }
    this.#loaded.set(type, yield* this.#decoders.load(id));
  }

  #fillUnit(index: number, chunkBytes: number, decoder: Decoder): void {
    const lengthBytes = this.chunks.lengthBytes(index);
    if (chunkBytes > this.#maxChunkBytes || lengthBytes > this.#maxChunkBytes) {
      const message = `A chunk of ${chunkBytes} bytes, ${lengthBytes} of them in the file`;
      throw tooLarge('dmg.chunk-size', message, 'maxStructureBytes');
    }
    this.#requireLength(index, 1);
    this.#unit.hostOffset = this.chunks.hostOffset(index);
    this.#unit.encodedLengthBytes = lengthBytes;
    this.#unit.unitLengthBytes = chunkBytes;
    this.#unit.decoder = decoder;
  }

  /** A chunk that is not whole is refused where it is read: the rest of the disk is as it was. */
  #requireLength(index: number, neededBytes: number): void {
    const offset = this.chunks.hostOffset(index);
    const lengthBytes = this.chunks.lengthBytes(index);
    if (lengthBytes < neededBytes) {
      throw corrupt('dmg.chunk-length', `A chunk has ${lengthBytes} bytes in the file`, offset);
    }
    if (offset + lengthBytes > this.#storage.sizeBytes) {
      throw corrupt('dmg.chunk-place', 'A chunk lies past the end of the file', offset);
    }
  }

  details(): DmgDetails {
    const { masterChecksum, dataChecksum, imageVariant } = this.trailer;
    return {
      imageVariant,
      chunks: this.chunks.count,
      ...(masterChecksum === undefined ? {} : { masterChecksum }),
      ...(dataChecksum === undefined ? {} : { dataChecksum }),
      parts: this.chunks.parts.slice(0, MAX_LISTED_PARTS).map((part) => ({
        name: part.name,
        startBytes: part.firstSector * SECTOR_BYTES,
        lengthBytes: part.sectorCount * SECTOR_BYTES,
        ...(part.checksum === undefined ? {} : { checksum: part.checksum }),
      })),
    };
  }
}
