/**
 * Which parts of a host file are holes. Node has no call for that; `lseek` with SEEK_DATA and
 * SEEK_HOLE is reached by the optional package `koffi`, loaded when first asked. Without it, and on
 * hosts and file systems that cannot tell, everything counts as data.
 */
import { createRequire } from 'node:module';
import type { HostRange } from '@diskfile/core';

/** New file offset, or −1. */
type Seek = (fd: number, offset: number, whence: number) => number;

interface HoleSeeker {
  readonly seek: Seek;
  readonly seekData: number;
  readonly seekHole: number;
}

/** The part of koffi that is used here. */
interface Koffi {
  load(library: null): { func(prototype: string): Seek };
}

/** `whence` by platform: lseek(2) of each. macOS has the two the other way round. */
const WHENCE: Readonly<Record<string, { seekData: number; seekHole: number }>> = {
  linux: { seekData: 3, seekHole: 4 },
  freebsd: { seekData: 3, seekHole: 4 },
  darwin: { seekData: 4, seekHole: 3 },
};
/** Where the C library's plain `lseek` takes 32-bit offsets. */
const NARROW_ARCHITECTURES = new Set(['arm', 'ia32', 'mips', 'mipsel']);

let seeker: HoleSeeker | undefined;
let seekerSought = false;

function holeSeeker(): HoleSeeker | undefined {
  if (seekerSought) return seeker;
  seekerSought = true;
  const whence = WHENCE[process.platform];
  if (whence === undefined || NARROW_ARCHITECTURES.has(process.arch)) return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const seek = koffi.load(null).func('int64_t lseek(int fd, int64_t offset, int whence)');
    seeker = { seek, ...whence };
  } catch {
    // Not installed, or no prebuilt binary for this host: holes are then simply not seen.
  }
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
