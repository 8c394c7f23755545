/**
 * Which parts of a host file are holes, by `lseek` with SEEK_DATA and SEEK_HOLE. Where that call
 * cannot be had, and on file systems that cannot tell, everything counts as data.
 */
import type { HostRange } from '@diskfile/core';
import { nativeCalls } from './native-calls.ts';

interface HoleSeeker {
  seek(fd: number, offset: number, whence: number): number;
  readonly seekData: number;
  readonly seekHole: number;
}

/** `whence` by platform: lseek(2) of each. macOS has the two the other way round. */
const WHENCE: Readonly<Record<string, { seekData: number; seekHole: number }>> = {
  linux: { seekData: 3, seekHole: 4 },
  freebsd: { seekData: 3, seekHole: 4 },
  darwin: { seekData: 4, seekHole: 3 },
};

let seeker: HoleSeeker | undefined;

function holeSeeker(): HoleSeeker | undefined {
  if (seeker !== undefined) return seeker;
  const whence = WHENCE[process.platform];
  const calls = whence && nativeCalls();
  if (calls !== undefined) seeker = { seek: calls.lseek, ...whence! };
  return seeker;
}

/** Whether holes can be told from data on this host. Loads the optional package. */
export function canFindHoles(): boolean {
  return holeSeeker() !== undefined;
}

/** Answers for one file, the last stretch of data kept: finding its end again can be slow. */
export class HostRanges {
  #dataStart = 0;
  #dataEnd = 0;

  /** The file has been changed. */
  forget(): void {
    this.#dataStart = 0;
    this.#dataEnd = 0;
  }

  /** @param offset below the file's size */
  find(fd: number, offset: number, lengthBytes: number): HostRange {
    // Only data is remembered: a hole may be filled behind our back, data at worst stays data.
    if (offset < this.#dataStart || offset >= this.#dataEnd) {
      const hole = holeLength(fd, offset);
      if (hole > 0) return { data: false, lengthBytes: Math.min(lengthBytes, hole) };
      this.#dataStart = offset;
      this.#dataEnd = dataEnd(fd, offset) ?? offset + lengthBytes;
    }
    return { data: true, lengthBytes: Math.min(lengthBytes, this.#dataEnd - offset) };
  }
}

/** Length of the hole at `offset`, 0 where there is none or the host cannot tell. */
function holeLength(fd: number, offset: number): number {
  const host = holeSeeker();
  if (host === undefined) return 0;
  const nextData = host.seek(fd, offset, host.seekData);
  if (nextData >= 0) return nextData - offset;
  // Either no data follows, or the file system cannot tell; only the first knows of a hole here.
  return host.seek(fd, offset, host.seekHole) === offset ? Infinity : 0;
}

function dataEnd(fd: number, offset: number): number | undefined {
  const host = holeSeeker();
  const nextHole = host === undefined ? -1 : host.seek(fd, offset, host.seekHole);
  return nextHole > offset ? nextHole : undefined;
}
