/** A disk that data is copied into as it is. */
import type { DiskFile, HostCall, Step } from '@diskfile/core';
import {
  type CopySink,
  type GuestRanges,
  PLAIN,
  type PreparedData,
  RUN_FIELDS,
  type StorePlan,
  ZEROS,
} from './copy-hand.ts';
import type { CopyTarget } from './copy-target.ts';

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
    let run = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const end = ranges[at]! + ranges[at + 1]!;
      let reached = ranges[at]!;
      for (; run < runs.length && runs[run]! < end; run += RUN_FIELDS) {
        const [guestOffset, from, lengthBytes] = [runs[run]!, runs[run + 1]!, runs[run + 2]!];
        this.#leaveOut(plan, reached, guestOffset);
        plan.push(0, guestOffset, PLAIN, from, lengthBytes);
        reached = guestOffset + lengthBytes;
      }
      this.#leaveOut(plan, reached, end);
    }
    return { stores: Float64Array.from(plan), headers: undefined };
  }

  /** Zeros of the source that are not stored as data. */
  #leaveOut(plan: number[], start: number, end: number): void {
    if (!this.#isZero && start < end) plan.push(0, start, ZEROS, 0, end - start);
  }

  *finish(): Step<void> {}

  sharedFiles(): undefined {
    return undefined;
  }
}
