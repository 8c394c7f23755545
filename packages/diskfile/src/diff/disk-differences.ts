/** Which ranges of two disks differ. */
import {
  checkDisk,
  checkOptions,
  type DiskFile,
  type HostCall,
  ParallelCalls,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import type { ChainProgress } from '../chain/chain-options.ts';
import { nextStatus } from '../chain/disk-steps.ts';
import { refuseAborted } from '../workers/aborted.ts';

/** Differences begin and end at sectors. */
const SECTOR_BYTES = 512;
const CHUNK_BYTES = 2 * 1024 * 1024;

export interface DiskDifferencesOptions {
  readonly onProgress?: (progress: ChainProgress) => void;
  readonly signal?: AbortSignal;
}

/** A range in which every sector differs; the next one does not. */
export interface DiskDifference {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

/**
 * The ranges in which two disks hold different bytes, in their order. Beyond its end the shorter one
 * counts as zeros. Holes are not read, and memory does not grow with the disks.
 * @throws DiskError what reading throws; `invalid-argument`, `aborted`
 */
export async function* diskDifferences(
  first: DiskFile,
  second: DiskFile,
  options: DiskDifferencesOptions = {},
): AsyncGenerator<DiskDifference> {
  const walk = new DifferenceWalk(first, second, options);
  for (;;) {
    const difference = await runAsync(walk.next());
    if (difference === undefined) return;
    yield difference;
  }
}

/** The synchronous form of {@link diskDifferences}. */
export function* diskDifferencesSync(
  first: DiskFile,
  second: DiskFile,
  options: DiskDifferencesOptions = {},
): Generator<DiskDifference> {
  const walk = new DifferenceWalk(first, second, options);
  for (;;) {
    const difference = runSync(walk.next());
    if (difference === undefined) return;
    yield difference;
  }
}

class DifferenceWalk {
  readonly #disks: readonly [DiskFile, DiskFile];
  readonly #options: DiskDifferencesOptions;
  readonly #buffers = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const;
  readonly #endBytes: number;
  #at = 0;
  /** Found and not handed out; the last one may go on. */
  #found: { guestOffset: number; lengthBytes: number }[] = [];

  constructor(first: DiskFile, second: DiskFile, options: DiskDifferencesOptions) {
    checkDisk('diff', first);
    checkDisk('diff', second);
    checkOptions('diff', options, { onProgress: 'callback', signal: 'signal' });
    this.#disks = [first, second];
    this.#options = options;
    this.#endBytes = Math.max(first.sizeBytes, second.sizeBytes);
  }

  *next(): Step<DiskDifference | undefined> {
    while (this.#found.length < 2 && this.#at < this.#endBytes) yield* this.#goOn();
    return this.#found.shift();
  }

  *#goOn(): Step<void> {
    const { onProgress, signal } = this.#options;
    const [first, second] = this.#disks;
    refuseAborted(signal, first.name);
    onProgress?.({ doneBytes: this.#at, totalBytes: this.#endBytes });
    const one = yield* this.#status(first);
    const other = yield* this.#status(second);
    const lengthBytes = Math.min(one.lengthBytes, other.lengthBytes);
    if (one.zero && other.zero) {
      this.#at += lengthBytes;
      return;
    }
    const length = Math.min(lengthBytes, CHUNK_BYTES);
    const [left, right] = this.#buffers.map((buffer) => buffer.subarray(0, length));
    yield new ParallelCalls([
      readOrZero(first, left!, this.#at, one.zero),
      readOrZero(second, right!, this.#at, other.zero),
    ]);
    this.#compare(left!, right!);
    this.#at += length;
  }

  /** Of the bytes from here on. */
  *#status(disk: DiskFile): Step<RangeStatus> {
    const left = disk.sizeBytes - this.#at;
    if (left <= 0) return { lengthBytes: this.#endBytes - this.#at, zero: true };
    return yield* nextStatus(disk, this.#at, left);
  }

  #compare(left: Uint8Array, right: Uint8Array): void {
    if (Buffer.compare(left, right) === 0) return;
    for (let at = 0; at < left.length; at += SECTOR_BYTES) {
      const end = Math.min(at + SECTOR_BYTES, left.length);
      if (Buffer.compare(left.subarray(at, end), right.subarray(at, end)) === 0) continue;
      this.#add(this.#at + at, end - at);
    }
  }

  #add(guestOffset: number, lengthBytes: number): void {
    const last = this.#found.at(-1);
    if (last !== undefined && last.guestOffset + last.lengthBytes === guestOffset) {
      last.lengthBytes += lengthBytes;
    } else this.#found.push({ guestOffset, lengthBytes });
  }
}

interface RangeStatus {
  readonly lengthBytes: number;
  readonly zero: boolean;
}

function readOrZero(disk: DiskFile, dst: Uint8Array, offset: number, zero: boolean): HostCall {
  if (!zero)
    return { runSync: () => disk.readSync(dst, offset), run: () => disk.read(dst, offset) };
  dst.fill(0);
  return { runSync: () => {}, run: async () => {} };
}
