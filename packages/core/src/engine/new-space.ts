/**
 * Guest bytes where an image has no space of its own for them: the format sets space aside, it is
 * filled with the new bytes and around them with what the disk reads now, and only then linked in.
 */
import type { FormatImage } from '../format/format-image.ts';
import type { Allocation } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { announce, writeBytes } from '../storage.ts';
import type { MappedReader } from './mapped-reader.ts';

export class NewSpace {
  readonly #image: FormatImage;
  readonly #reader: MappedReader;

  constructor(image: FormatImage, reader: MappedReader) {
    this.#image = image;
    this.#reader = reader;
  }

  /** Writes `src` into the space, and before and behind it what the disk reads there now. */
  *fill(allocation: Allocation, src: Uint8Array, guestOffset: number): Step<void> {
    const { storage, hostOffset, readsAsZero } = allocation;
    const start = allocation.guestOffset;
    const end = start + allocation.lengthBytes;
    const before = yield* this.#currentBytes(start, guestOffset, readsAsZero);
    const after = yield* this.#currentBytes(guestOffset + src.length, end, readsAsZero);
    if (before === undefined && after === undefined) {
      return yield* writeBytes(storage, src, hostOffset + (guestOffset - start));
    }
    const from = before === undefined ? guestOffset : start;
    const to = after === undefined ? guestOffset + src.length : end;
    const whole = new Uint8Array(to - from);
    if (before !== undefined) whole.set(before);
    whole.set(src, guestOffset - from);
    if (after !== undefined) whole.set(after, guestOffset + src.length - from);
    yield* writeBytes(storage, whole, hostOffset + (from - start));
  }

  /**
   * What the disk reads from `start` to `end`, zeros past its end; undefined when nothing has to be
   * written there, because it is empty or zeros in space that reads as zeros.
   */
  *#currentBytes(start: number, end: number, readsAsZero: boolean): Step<Uint8Array | undefined> {
    if (start === end) return undefined;
    const onDisk = Math.max(0, Math.min(end, this.#image.sizeBytes) - start);
    if (readsAsZero && (yield* this.#reader.isZero(start, onDisk))) return undefined;
    const bytes = new Uint8Array(end - start);
    yield* announce(this.#image.storages[0]!, 'cow_read');
    if (onDisk > 0) yield* this.#reader.readStep(bytes.subarray(0, onDisk), start);
    return bytes;
  }
}
