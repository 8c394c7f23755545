/** Comparing the contents of two disks, whatever their formats. */
import { isAllZero } from '@diskfile/bytes';
import {
  checkDisk,
  checkOptions,
  type DiskFile,
  type OptionKinds,
  ParallelCalls,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import type { ChainProgress } from '../chain/chain-options.ts';
import { nextStatus } from '../chain/disk-steps.ts';
import { refuseAborted } from '../workers/aborted.ts';

const CHUNK_BYTES = 2 * 1024 * 1024;

export interface CompareDisksOptions {
  /** Disks of different sizes, and ranges that only one has allocated, count as different. */
  readonly strict?: boolean;
  readonly onProgress?: (progress: ChainProgress) => void;
  readonly signal?: AbortSignal;
}

const COMPARING_KINDS: OptionKinds<CompareDisksOptions> = {
  strict: 'flag',
  onProgress: 'callback',
  signal: 'signal',
};

/** Without `strict`, a longer disk equals a shorter one when the rest of it is zeros. */
export interface Comparison {
  readonly identical: boolean;
  /**
   * Where the first difference is; undefined where there is none. With `strict`, disks of different
   * sizes differ from the end of the shorter one on, and what they have in common is not looked at.
   */
  readonly guestOffset: number | undefined;
  /** What differs there: the bytes; with `strict` also whether they are allocated, and the size. */
  readonly kind: 'content' | 'allocation' | 'size' | undefined;
  readonly sizesDiffer: boolean;
}

/**
 * Compares two disks. Holes are not read.
 * @throws DiskError what reading throws; `invalid-argument`, `aborted`
 */
export function compareDisks(
  first: DiskFile,
  second: DiskFile,
  options: CompareDisksOptions = {},
): Promise<Comparison> {
  return runAsync(compare(first, second, options));
}

/** The synchronous form of {@link compareDisks}. */
export function compareDisksSync(
  first: DiskFile,
  second: DiskFile,
  options: CompareDisksOptions = {},
): Comparison {
  return runSync(compare(first, second, options));
}

function* compare(
  first: DiskFile,
  second: DiskFile,
  options: CompareDisksOptions,
): Step<Comparison> {
  checkDisk('compare', first);
  checkDisk('compare', second);
  checkOptions('compare', options, COMPARING_KINDS);
  const { strict = false, signal, onProgress } = options;
  const sizesDiffer = first.sizeBytes !== second.sizeBytes;
  const commonBytes = Math.min(first.sizeBytes, second.sizeBytes);
  const totalBytes = Math.max(first.sizeBytes, second.sizeBytes);
  const differs = (kind: 'content' | 'allocation' | 'size', guestOffset: number): Comparison => ({
    identical: false,
    guestOffset,
    kind,
    sizesDiffer,
  });
  if (strict && sizesDiffer) return differs('size', commonBytes);
  const buffers = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const;
  for (let at = 0; at < commonBytes;) {
    refuseAborted(signal, first.name);
    onProgress?.({ doneBytes: at, totalBytes });
    const one = yield* nextStatus(first, at, commonBytes - at);
    const other = yield* nextStatus(second, at, Math.min(one.lengthBytes, commonBytes - at));
    const lengthBytes = Math.min(one.lengthBytes, other.lengthBytes);
    if (strict && one.allocated !== other.allocated) return differs('allocation', at);
    if (one.zero && other.zero) {
      at += lengthBytes;
      continue;
    }
    const length = Math.min(lengthBytes, CHUNK_BYTES);
    const [left, right] = buffers.map((buffer) => buffer.subarray(0, length));
    yield new ParallelCalls([
      { runSync: () => first.readSync(left!, at), run: () => first.read(left!, at) },
      { runSync: () => second.readSync(right!, at), run: () => second.read(right!, at) },
    ]);
    const difference = firstDifference(left!, right!);
    if (difference !== -1) return differs('content', at + difference);
    at += length;
  }
  const longer = first.sizeBytes > second.sizeBytes ? first : second;
  const dataAt = yield* firstNonZero(longer, commonBytes, options);
  onProgress?.({ doneBytes: totalBytes, totalBytes });
  if (dataAt !== undefined) return differs('content', dataAt);
  return { identical: true, guestOffset: undefined, kind: undefined, sizesDiffer };
}

function* firstNonZero(
  disk: DiskFile,
  start: number,
  { signal }: CompareDisksOptions,
): Step<number | undefined> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = start; at < disk.sizeBytes;) {
    refuseAborted(signal, disk.name);
    const status = yield* nextStatus(disk, at, disk.sizeBytes - at);
    if (status.zero) {
      at += status.lengthBytes;
      continue;
    }
    const offset = at;
    const chunk = buffer.subarray(0, Math.min(status.lengthBytes, CHUNK_BYTES));
    yield { runSync: () => disk.readSync(chunk, offset), run: () => disk.read(chunk, offset) };
    if (!isAllZero(chunk)) return at + chunk.findIndex((byte) => byte !== 0);
    at += chunk.length;
  }
  return undefined;
}

/** First byte that differs; -1 for none, as it nearly always is: memory is compared at once first. */
function firstDifference(left: Uint8Array, right: Uint8Array): number {
  if (Buffer.compare(left, right) === 0) return -1;
  return left.findIndex((byte, at) => byte !== right[at]);
}
