/** A disk that data is copied into as it is. */
import { type DiskFile, hostCall, type HostCall, type Step, stepCall } from '@diskfile/core';
import { asking, type AskedOf } from '../chain/failed-request.ts';
import {
  type CopySink,
  type GuestRanges,
  PLAIN,
  type PreparedData,
  REQUEST_BYTES,
  RUN_FIELDS,
  type StorePlan,
  ZEROS,
} from './copy-hand.ts';
import type { CopyTarget } from './copy-target.ts';

/** Data that goes to the disk: where from, in the buffer of the hand. */
interface DataRun {
  readonly guestOffset: number;
  readonly from: number;
  readonly lengthBytes: number;
}

/** A disk that holds something already, written like any other disk. */
export class DiskTarget implements CopyTarget {
  readonly storesInOrder = true;
  readonly flat = undefined;
  readonly #disk: DiskFile;
  readonly #isZero: boolean;
  readonly #compress: { readonly level: number | undefined } | undefined;

  /** Of the job that is being stored. */
  #ranges: GuestRanges = new Float64Array(0);

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
    const makeZero = (offset: number, lengthBytes: number): HostCall =>
      this.#writing(
        offset,
        () => disk.writeZeroesSync(offset, lengthBytes),
        () => disk.writeZeroes(offset, lengthBytes),
      );
    if (this.#compress === undefined) {
      return {
        makeZero,
        write: (_, bytes, offset): HostCall =>
          this.#writing(
            offset,
            () => disk.writeSync(bytes, offset),
            () => disk.write(bytes, offset),
          ),
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
    this.#ranges = ranges;
    const plan: number[] = [];
    let run = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const end = ranges[at]! + ranges[at + 1]!;
      let reached = ranges[at]!;
      for (; run < runs.length && runs[run]! < end; run += RUN_FIELDS) {
        const [guestOffset, from, lengthBytes] = [runs[run]!, runs[run + 1]!, runs[run + 2]!];
        this.#leaveOut(plan, reached, guestOffset);
        this.#keep(plan, { guestOffset, from, lengthBytes }, ranges[at]!);
        reached = guestOffset + lengthBytes;
      }
      this.#leaveOut(plan, reached, end);
    }
    return { stores: Float64Array.from(plan), headers: undefined };
  }

  /** @param rangeOffset where the range of the source begins that the data is of */
  #keep(plan: number[], { guestOffset, from, lengthBytes }: DataRun, rangeOffset: number): void {
    if (this.#compress !== undefined) {
      plan.push(0, guestOffset, PLAIN, from, lengthBytes);
      return;
    }
    for (let done = 0; done < lengthBytes;) {
      const left = REQUEST_BYTES - ((guestOffset + done - rangeOffset) % REQUEST_BYTES);
      const length = Math.min(left, lengthBytes - done);
      plan.push(0, guestOffset + done, PLAIN, from + done, length);
      done += length;
    }
  }

  /** Where the request begins by which the byte at `guestOffset` was read. */
  #requestOf(guestOffset: number): number {
    let start = 0;
    for (let at = 0; at < this.#ranges.length && this.#ranges[at]! <= guestOffset; at += 2) {
      start = this.#ranges[at]!;
    }
    return guestOffset - ((guestOffset - start) % REQUEST_BYTES);
  }

  /** A call whose failure says at which byte of the disk it was. */
  #writing(offset: number, sync: () => void, async: () => Promise<void>): HostCall {
    const asked = (): AskedOf => ({ request: 'write', guestOffset: this.#requestOf(offset) });
    return stepCall(() => asking(asked, hostCall(sync, async)));
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
