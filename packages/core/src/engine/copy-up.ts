/** What an image takes over from the images below it. */
import { isAllZero } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import type { MappedReader } from './mapped-reader.ts';
import type { WriteData, ZeroWriter } from './zero-writer.ts';

/** Copied at a time. */
const COPY_CHUNK_BYTES = 1024 * 1024;

export class CopyUp {
  readonly #reader: MappedReader;
  readonly #zeros: ZeroWriter;
  readonly #writeData: WriteData;

  constructor(reader: MappedReader, zeros: ZeroWriter, writeData: WriteData) {
    this.#reader = reader;
    this.#zeros = zeros;
    this.#writeData = writeData;
  }

  /** Whether the image itself holds all of a range. */
  *isHeld(guestOffset: number, lengthBytes: number): Step<boolean> {
    return (yield* this.#heldBytes(guestOffset, lengthBytes)) === lengthBytes;
  }

  /** Copies what is missing. Bitmaps are not told of it: the disk reads the same. */
  *copy(guestOffset: number, lengthBytes: number): Step<void> {
    for (let done = 0; done < lengthBytes;) {
      done += yield* this.#heldBytes(guestOffset + done, lengthBytes - done);
      if (done === lengthBytes) return;
      const at = guestOffset + done;
      const most = Math.min(lengthBytes - done, COPY_CHUNK_BYTES);
      const bytes = new Uint8Array(yield* this.#missingBytes(at, most));
      yield* this.#reader.readStep(bytes, at);
      // Zeros take no space where the format can tell of them.
      if (isAllZero(bytes)) yield* this.#zeros.write(at, bytes.length, { mayUnmap: false });
      if ((yield* this.#heldBytes(at, bytes.length)) < bytes.length) {
        yield* this.#writeData(bytes, at);
      }
      done += bytes.length;
    }
  }

  /** How much of a range from its start on the image itself does not hold. */
  *#missingBytes(guestOffset: number, lengthBytes: number): Step<number> {
    for (let done = 0; done < lengthBytes;) {
      const extent = yield* this.#reader.resolve(guestOffset + done, lengthBytes - done);
      if (extent.depth === 0 && extent.allocated) return done;
      done += extent.lengthBytes;
    }
    return lengthBytes;
  }

  /** How much of a range from its start on the image itself holds. */
  *#heldBytes(guestOffset: number, lengthBytes: number): Step<number> {
    for (let done = 0; done < lengthBytes;) {
      const extent = yield* this.#reader.resolve(guestOffset + done, lengthBytes - done);
      if (extent.depth > 0 || !extent.allocated) return done;
      done += extent.lengthBytes;
    }
    return lengthBytes;
  }
}
