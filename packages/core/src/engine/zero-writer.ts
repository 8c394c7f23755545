/** Zeros on a disk: by tables where the format can express them, by bytes where not. */
import { alignDown, DiskError } from '@diskfile/bytes';
import type { ZeroOptions } from '../disk-file.ts';
import type { FormatImage } from '../format/format-image.ts';
import type { ImageWriter } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import type { MappedReader } from './mapped-reader.ts';
import type { ReadGuard } from './read-guard.ts';

/** Zeros written at a time where a format cannot express them. */
const ZERO_CHUNK_BYTES = 1024 * 1024;

/** Writes bytes for somebody who has the disk for himself. */
export type WriteData = (src: Uint8Array, guestOffset: number) => Step<void>;

export interface ZeroWriterParts {
  readonly image: FormatImage;
  readonly writer: ImageWriter;
  readonly reader: MappedReader;
  readonly guard: ReadGuard;
  readonly writeData: WriteData;
}

/** Whoever calls it keeps all other writes off. */
export class ZeroWriter {
  readonly #image: FormatImage;
  readonly #writer: ImageWriter;
  readonly #reader: MappedReader;
  readonly #guard: ReadGuard;
  readonly #writeData: WriteData;
  #zeros: Uint8Array | undefined;

  constructor({ image, writer, reader, guard, writeData }: ZeroWriterParts) {
    this.#image = image;
    this.#writer = writer;
    this.#reader = reader;
    this.#guard = guard;
    this.#writeData = writeData;
  }

  /** Makes a range read as zeros. @throws DiskError `unsupported` with `tablesOnly` */
  *write(guestOffset: number, lengthBytes: number, options: ZeroOptions): Step<void> {
    const { unitBytes } = this.#writer;
    const { mayUnmap = true, tablesOnly = false } = options;
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const start = at;
      const done = yield* this.#apart(start, end, () =>
        this.#writer.writeZeroes(start, end - start, mayUnmap),
      );
      at += done;
      if (done > 0) continue;
      const unitEnd = unitBytes === 1 ? end : alignDown(at, unitBytes) + unitBytes;
      const asData = (yield* this.#writer.zeroesAsData?.(at, end - at) ?? nothing()) + at;
      const stop = Math.max(asData, Math.min(end, unitEnd));
      if (!(yield* this.#zeroAround(at, stop, mayUnmap))) {
        if (tablesOnly) throw needsData(this.#image.format);
        yield* this.#zeroByBytes(at, stop - at);
      }
      at = stop;
    }
  }

  /** Makes zeros of a unit whose rest is zeros already; false where that is not so. */
  *#zeroAround(start: number, stop: number, mayUnmap: boolean): Step<boolean> {
    const { unitBytes, zeroesAround = false } = this.#writer;
    if (!zeroesAround) return false;
    const unitStart = alignDown(start, unitBytes);
    const unitEnd = Math.min(unitStart + unitBytes, this.#image.sizeBytes);
    if (stop > unitEnd) return false;
    for (const [from, to] of [
      [unitStart, start],
      [stop, unitEnd],
    ] as const) {
      if (!(yield* this.#reader.isZero(from, to - from, true))) return false;
    }
    const done = yield* this.#apart(unitStart, unitEnd, () =>
      this.#writer.writeZeroes(unitStart, unitEnd - unitStart, mayUnmap),
    );
    return done > 0;
  }

  *#zeroByBytes(guestOffset: number, lengthBytes: number): Step<void> {
    // Where zeros around it count, QEMU takes such a part out of what lies below, zeros or not.
    const mayLeave = this.#writer.zeroesAround !== true;
    if (mayLeave && (yield* this.#reader.isZero(guestOffset, lengthBytes))) return;
    yield* this.writeBytes(guestOffset, lengthBytes);
  }

  /** Writes zeros as bytes; the range may leave the disk. */
  *writeBytes(guestOffset: number, lengthBytes: number): Step<void> {
    for (let done = 0; done < lengthBytes;) {
      this.#zeros ??= new Uint8Array(ZERO_CHUNK_BYTES);
      const zeros = this.#zeros.subarray(0, lengthBytes - done);
      yield* this.#writeData(zeros, guestOffset + done);
      done += zeros.length;
    }
  }

  /** Gives a range up, as far as the format does that. */
  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    yield* this.#apart(guestOffset, guestOffset + lengthBytes, () =>
      this.#writer.discard(guestOffset, lengthBytes),
    );
  }

  /** Runs what makes a range zeros, or gives it up. */
  #apart<T>(start: number, end: number, body: () => Step<T>): Step<T> {
    return this.#writer.zeroesInPlace ? this.#guard.change(start, end, body) : body();
  }
}

function* nothing(): Step<number> {
  return 0;
}

function needsData(format: string): DiskError {
  const message = `${format}: zeros would have to be written as data`;
  return new DiskError('unsupported', 'disk.zeros-need-data', message, {
    hint: 'Leave out tablesOnly to have them written.',
  });
}
