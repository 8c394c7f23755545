/** A disk that is written as seekable zstd: a new one, which holds nothing but zeros. */
import type {
  Allocation,
  CompressedWriter,
  Decoder,
  Extent,
  FormatDetails,
  FormatImage,
  ImageWriter,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';
import type { FrameLayout, FrameStream } from './frame-stream.ts';

/** The unit that an extent is made of. One object is filled again and again. */
class Frame {
  hostOffset = 0;
  encodedLengthBytes = 0;
  unitLengthBytes = 0;
  readonly storage: Storage;
  readonly decoder: Decoder;

  constructor(storage: Storage, decoder: Decoder) {
    this.storage = storage;
    this.decoder = decoder;
  }
}

export class FrameImage implements FormatImage {
  readonly format = 'zstd';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly writer: ImageWriter;
  readonly #stream: FrameStream;
  readonly #frame: Frame;

  constructor(stream: FrameStream, { sizeBytes, frameBytes }: FrameLayout, decoder: Decoder) {
    this.sizeBytes = sizeBytes;
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: frameBytes,
    };
    this.storages = [stream.storage];
    this.writer = new FrameWriter(stream);
    this.#stream = stream;
    this.#frame = new Frame(stream.storage, decoder);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { unitBytes, writtenFrames } = this.#stream;
    const index = Math.floor(guestOffset / unitBytes);
    if (index >= writtenFrames) {
      extent.setZero(lengthBytes);
      return true;
    }
    const start = index * unitBytes;
    const frame = this.#frame;
    frame.hostOffset = this.#stream.startOf(index);
    frame.encodedLengthBytes = this.#stream.startOf(index + 1) - frame.hostOffset;
    frame.unitLengthBytes = Math.min(unitBytes, this.sizeBytes - start);
    const left = start + frame.unitLengthBytes - guestOffset;
    extent.setEncoded(frame, guestOffset - start, Math.min(lengthBytes, left));
    return true;
  }

  /** All of the table is in memory. */
  *load(): Step<void> {}

  details(): FormatDetails {
    const { unitBytes, writtenFrames } = this.#stream;
    return { packing: 'zstd', seekable: true, frameBytes: unitBytes, frames: writtenFrames };
  }
}

class FrameWriter implements ImageWriter {
  readonly unitBytes: number;
  readonly compression: CompressedWriter;
  readonly #stream: FrameStream;

  constructor(stream: FrameStream) {
    this.unitBytes = stream.unitBytes;
    this.compression = stream;
    this.#stream = stream;
  }

  lookupWritable(_: number, lengthBytes: number, extent: Extent): boolean {
    extent.setBacking(lengthBytes);
    return true;
  }

  *allocate(): Step<Allocation> {
    throw new Error('assertion failed: a plain frame in a zstd file');
  }

  /** What has not been written is zeros; what has been is there to stay. */
  // eslint-disable-next-line require-yield
  *writeZeroes(guestOffset: number, lengthBytes: number): Step<number> {
    const { writtenFrames, unitBytes } = this.#stream;
    return guestOffset >= writtenFrames * unitBytes ? lengthBytes : 0;
  }

  /** Space is not given back. */
  *discard(): Step<void> {}

  *flush(): Step<void> {
    yield* this.#stream.flush();
  }

  reclaim(): void {}

  *close(): Step<void> {}
}
