/** The disks that are converted: one behind the other, as one run of guest bytes. */
import { alignUp } from '@diskfile/bytes';
import { type BlockStatus, type DiskFile, readInto, type Step } from '@diskfile/core';
import { nextStatus } from '../chain/disk-steps.ts';

const SECTOR_BYTES = 512;

/** What a range reads as; part of a {@link BlockStatus}. */
export type SourceStatus = Pick<
  BlockStatus,
  'lengthBytes' | 'zero' | 'allocated' | 'depth' | 'compressed'
>;

interface Part {
  readonly disk: DiskFile;
  readonly startBytes: number;
  /** Whole sectors; behind the end of the disk they are zeros. */
  readonly endBytes: number;
}

export class SourceParts {
  readonly sizeBytes: number;
  readonly synchronous: boolean;
  readonly #parts: Part[] = [];

  /** @param disks at least one */
  constructor(disks: readonly DiskFile[]) {
    let startBytes = 0;
    for (const disk of disks) {
      const endBytes = startBytes + alignUp(disk.sizeBytes, SECTOR_BYTES);
      this.#parts.push({ disk, startBytes, endBytes });
      startBytes = endBytes;
    }
    this.sizeBytes = startBytes;
    this.synchronous = disks.every(({ synchronous }) => synchronous);
  }

  get name(): string {
    return this.#parts[0]!.disk.name;
  }

  get disks(): readonly DiskFile[] {
    return this.#parts.map(({ disk }) => disk);
  }

  /** Fills `dst`; the range lies within {@link sizeBytes}. */
  *read(dst: Uint8Array, offset: number): Step<void> {
    for (let done = 0; done < dst.length;) {
      const { disk, startBytes, endBytes } = this.#partAt(offset + done);
      const at = offset + done - startBytes;
      const length = Math.min(dst.length - done, endBytes - startBytes - at);
      const onDisk = Math.max(0, Math.min(length, disk.sizeBytes - at));
      if (onDisk > 0) yield* readInto(disk, dst.subarray(done, done + onDisk), at);
      dst.fill(0, done + onDisk, done + length);
      done += length;
    }
  }

  /** What the bytes from `offset` on are, as far as one answer reaches. */
  *status(offset: number, lengthBytes: number): Step<SourceStatus> {
    const { disk, startBytes } = this.#partAt(offset);
    const at = offset - startBytes;
    const within = Math.min(lengthBytes, disk.sizeBytes - at);
    if (within > 0) return yield* nextStatus(disk, at, within);
    const padding = alignUp(disk.sizeBytes, SECTOR_BYTES) - at;
    return {
      lengthBytes: Math.min(padding, lengthBytes),
      zero: true,
      allocated: false,
      depth: 0,
      compressed: false,
    };
  }

  #partAt(offset: number): Part {
    return this.#parts.find(({ endBytes }) => offset < endBytes)!;
  }
}
