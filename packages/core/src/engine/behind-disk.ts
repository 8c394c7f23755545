/** Guest offsets behind the end of a disk: what an image keeps there besides the disk. */
import type { FormatImage } from '../format/format-image.ts';
import type { ImageWriter } from '../format/image-writer.ts';
import type { Limits } from '../limits.ts';
import type { Step } from '../step.ts';
import { MappedReader } from './mapped-reader.ts';
import { MappedWriter } from './mapped-writer.ts';

/** The image as if its disk had no end; nothing below it reaches there. */
export class BehindDisk {
  readonly #image: FormatImage;
  readonly #limits: Limits;

  constructor(image: FormatImage, limits: Limits) {
    this.#image = image;
    this.#limits = limits;
  }

  readStep(dst: Uint8Array, guestOffset: number): Step<void> {
    return new MappedReader([endless(this.#image)], this.#limits).readStep(dst, guestOffset);
  }

  /** Part of a change of the disk. Bitmaps tell of the disk alone. */
  writeStep(writer: ImageWriter, src: Uint8Array, guestOffset: number): Step<void> {
    const image = endless(this.#image);
    const reader = new MappedReader([image], this.#limits);
    return new MappedWriter(image, withoutExtras(writer), reader, undefined).writeStep(
      src,
      guestOffset,
    );
  }
}

function endless(image: FormatImage): FormatImage {
  const { format, topology, dataMayBeSparse, storages } = image;
  return {
    format,
    topology,
    dataMayBeSparse,
    storages,
    backing: undefined,
    sizeBytes: Number.MAX_SAFE_INTEGER,
    lookup: (guestOffset, lengthBytes, extent) => image.lookup(guestOffset, lengthBytes, extent),
    load: (guestOffset) => image.load(guestOffset),
    details: () => image.details(),
  };
}

function withoutExtras(writer: ImageWriter): ImageWriter {
  return {
    unitBytes: writer.unitBytes,
    ...(writer.sectorBytes === undefined ? {} : { sectorBytes: writer.sectorBytes }),
    lookupWritable: (offset, length, extent) => writer.lookupWritable(offset, length, extent),
    allocate: (offset, length, before) => writer.allocate(offset, length, before),
    writeZeroes: (offset, length, mayUnmap) => writer.writeZeroes(offset, length, mayUnmap),
    discard: (offset, length) => writer.discard(offset, length),
    flush: () => writer.flush(),
    reclaim: () => writer.reclaim(),
    close: () => writer.close(),
  };
}
