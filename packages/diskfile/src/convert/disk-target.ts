/** A disk that data is copied into as it is. */
import type { DiskFile, HostCall, Step } from '@diskfile/core';
import {
  type CopySink,
  PLAIN,
  type PreparedData,
  RUN_FIELDS,
  type StorePlan,
  ZEROS,
} from './copy-hand.ts';
import { type GuestRanges, REQUEST_BYTES, requestStarts } from './copy-requests.ts';
import type { CopyTarget } from './copy-target.ts';

/** Data that goes to the disk: where from, in the buffer of the hand. */
interface DataRun {
  readonly guestOffset: number;
  readonly from: number;
  readonly lengthBytes: number;
}

interface Zeros {
  readonly start: number;
  readonly end: number;
}

type RequestStart = (guestOffset: number) => number;

/** A disk that holds something already, written like any other disk. */
export class DiskTarget implements CopyTarget {
  readonly storesInOrder = true;
  readonly flat = undefined;
  readonly #disk: DiskFile;
  readonly #isZero: boolean;
  readonly #compress: { readonly level: number | undefined } | undefined;

  /** @param isZero whether it reads as zeros all over */
  constructor(
    disk: DiskFile,
    isZero: boolean,
    compress: { readonly level: number | undefined } | undefined,
  ) {
    this.#disk = disk;
    this.#isZero = isZero;
    this.#compress = compress;
  }

  get sink(): CopySink {
    const disk = this.#disk;
    const makeZero = (offset: number, lengthBytes: number): HostCall => ({
      runSync: () => disk.writeZeroesSync(offset, lengthBytes),
      run: () => disk.writeZeroes(offset, lengthBytes),
    });
    if (this.#compress === undefined) {
      return {
        makeZero,
        write: (_, bytes, offset): HostCall => ({
          runSync: () => disk.writeSync(bytes, offset),
          run: () => disk.write(bytes, offset),
        }),
      };
    }
    const compression = disk.capabilities.compression!;
    const { level } = this.#compress;
    const options = level === undefined ? {} : { level };
    return {
      makeZero,
      write: (_, bytes, offset): HostCall => ({
        runSync: () => compression.writeSync(bytes, offset, options),
        run: () => compression.write(bytes, offset, options),
      }),
    };
  }

  *place({ runs }: PreparedData, ranges: GuestRanges): Step<StorePlan> {
    const plan: number[] = [];
    const startOf = requestStarts(ranges);
    let run = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const end = ranges[at]! + ranges[at + 1]!;
      let reached = ranges[at]!;
      for (; run < runs.length && runs[run]! < end; run += RUN_FIELDS) {
        const [guestOffset, from, lengthBytes] = [runs[run]!, runs[run + 1]!, runs[run + 2]!];
        this.#leaveOut(plan, startOf, { start: reached, end: guestOffset });
        this.#keep(plan, startOf, { guestOffset, from, lengthBytes });
        reached = guestOffset + lengthBytes;
      }
      this.#leaveOut(plan, startOf, { start: reached, end });
    }
    return { stores: Float64Array.from(plan), headers: undefined };
  }

  /** In pieces that end where the requests do, but for what is compressed. */
  #keep(plan: number[], startOf: RequestStart, { guestOffset, from, lengthBytes }: DataRun): void {
    for (let done = 0; done < lengthBytes;) {
      const at = guestOffset + done;
      const start = startOf(at);
      const left = lengthBytes - done;
      const length =
        this.#compress === undefined ? Math.min(start + REQUEST_BYTES - at, left) : left;
      plan.push(0, at, PLAIN, from + done, length, start);
      done += length;
    }
  }

  /** Zeros of the source that are not stored as data. */
  #leaveOut(plan: number[], startOf: RequestStart, { start, end }: Zeros): void {
    if (!this.#isZero && start < end) plan.push(0, start, ZEROS, 0, end - start, startOf(start));
  }

  *finish(): Step<void> {}

  sharedFiles(): undefined {
    return undefined;
  }
}
