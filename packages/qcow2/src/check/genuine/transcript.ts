/** What `qemu-img check` would print, line by line, and what it would count. */

import type { GenuineLine } from '@diskfile/core';

/** Text that is kept at most; an image can be wrong in millions of places. */
const MAX_LINES = 200_000;

/** A line, or what makes it, for lines of which there can be very many. */
type Text = string | (() => string);

export class Transcript {
  checkErrors = 0;
  corruptions = 0;
  corruptionsFixed = 0;
  leaks = 0;
  leaksFixed = 0;
  allocatedClusters = 0;
  compressedClusters = 0;
  fragmentedClusters = 0;
  readonly lines: GenuineLine[] = [];

  say(text: Text): void {
    if (this.lines.length >= MAX_LINES) return;
    this.lines.push({ text: typeof text === 'string' ? text : text(), isError: false });
  }

  /** What keeps QEMU from going on, and what it advises. */
  failure(text: string, advice: readonly string[] = []): void {
    this.checkErrors += 1;
    this.lines.push({ text, isError: true });
    for (const line of advice) this.say(line);
  }

  corruption(line: Text): void {
    this.corruptions += 1;
    this.say(line);
  }

  checkError(line: Text): void {
    this.checkErrors += 1;
    this.say(line);
  }
}

/** QEMU gives up here; what it has said before still counts. */
export class CheckStopped extends Error {
  override readonly name = 'CheckStopped';
  readonly errno: 'EIO' | 'EINVAL' | 'EFBIG';

  constructor(errno: 'EIO' | 'EINVAL' | 'EFBIG') {
    super(`The image is too damaged to be checked any further: ${errno}`);
    this.errno = errno;
  }
}

const TWO_32 = 0x1_0000_0000;

/** A number of 64 bits, given as two halves. */
export function hex64(high: number, low: number): string {
  if (high === 0) return low.toString(16);
  return high.toString(16) + low.toString(16).padStart(8, '0');
}

/** An offset below 2^56, which may be more than a number holds. */
export function hexOffset(hostOffset: number): string {
  return hex64(Math.floor(hostOffset / TWO_32), hostOffset % TWO_32);
}
