/**
 * Guest bytes where an image has no space of its own for them: the format sets space aside, it is
 * filled with the new bytes and around them with what the disk reads now, and only then linked in.
 */
import type { FormatImage } from '../format/format-image.ts';
import type { Allocation } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { announce, during, type WritableStorage, writeBytes } from '../storage.ts';
import type { MappedReader } from './mapped-reader.ts';
import { reserveZeros } from './reserve-zeros.ts';

export class NewSpace {
  readonly #image: FormatImage;
  readonly #reader: MappedReader;

  constructor(image: FormatImage, reader: MappedReader) {
    this.#image = image;
    this.#reader = reader;
  }

  /** Writes `src` into the space, and before and behind it what the disk reads there now. */
  *fill(allocation: Allocation, src: Uint8Array, guestOffset: number): Step<void> {
    const { storage, hostOffset, lengthBytes, isReserved = false } = allocation;
    const start = allocation.guestOffset;
    const end = start + lengthBytes;
    const srcEnd = guestOffset + src.length;
    const isWhole = guestOffset === start && srcEnd === end;
    const areZeros =
      !isWhole && isReserved && (yield* this.#reserveAround(allocation, guestOffset, srcEnd));
    if (isWhole || areZeros) {
      return yield* writeBytes(storage, src, hostOffset + (guestOffset - start));
    }
    const mayLeaveOut = !isReserved && allocation.readsAsZero;
    const around = { mayLeaveOut, tellsOfCopies: allocation.tellsOfCopies === true };
    const before = yield* this.#currentBytes(around, start, guestOffset);
    const after = yield* this.#currentBytes(around, srcEnd, end);
    const from = before === undefined ? guestOffset : start;
    const to = after === undefined ? srcEnd : end;
    if (to - from === src.length) {
      return yield* writeBytes(storage, src, hostOffset + (guestOffset - start));
    }
    const whole = new Uint8Array(to - from);
    if (before !== undefined) whole.set(before);
    whole.set(src, guestOffset - from);
    if (after !== undefined) whole.set(after, srcEnd - from);
    yield* writeBytes(yield* copying(storage), whole, hostOffset + (from - start));
  }

  /**
   * Has the host set all of the space aside as zeros, where the disk reads as zeros around what is
   * written; behind its end, nothing is said to be zeros. False when that has to be written.
   */
  *#reserveAround(allocation: Allocation, srcStart: number, srcEnd: number): Step<boolean> {
    const start = allocation.guestOffset;
    const end = start + allocation.lengthBytes;
    if (srcEnd < end && end > this.#image.sizeBytes) return false;
    if (!(yield* this.#reader.isZero(start, srcStart - start))) return false;
    if (!(yield* this.#reader.isZero(srcEnd, end - srcEnd))) return false;
    return yield* reserveZeros(allocation);
  }

  /**
   * What the disk reads from `start` to `end`, zeros past its end; undefined when nothing has to be
   * written there, because it is empty or zeros in space that reads as zeros.
   */
  *#currentBytes(
    { mayLeaveOut, tellsOfCopies }: { mayLeaveOut: boolean; tellsOfCopies: boolean },
    start: number,
    end: number,
  ): Step<Uint8Array | undefined> {
    if (start === end) return undefined;
    const onDisk = Math.max(0, Math.min(end, this.#image.sizeBytes) - start);
    if (mayLeaveOut && (yield* this.#reader.isZero(start, onDisk))) return undefined;
    const bytes = new Uint8Array(end - start);
    if (tellsOfCopies) yield* announce(this.#image.storages[0]!, 'cow_read');
    if (onDisk > 0) yield* this.#reader.readStep(bytes.subarray(0, onDisk), start);
    return bytes;
  }
}

/** What is written in one is both guest data and a copy. */
function* copying(storage: WritableStorage): Step<WritableStorage> {
  if (storage.events === undefined) return storage;
  yield* announce(storage, 'write_aio');
  return during(storage, 'cow_write');
}
