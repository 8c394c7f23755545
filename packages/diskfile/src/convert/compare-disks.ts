/** Comparing the contents of two disks, whatever their formats. */
import { isAllZero } from '@diskfile/bytes';
import {
  checkDisk,
  checkOptions,
  type DiskFile,
  type OptionKinds,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import type { ChainProgress } from '../chain/chain-options.ts';
import { refuseAborted } from '../workers/aborted.ts';
import { ComparisonRun, readOf, statusOf } from './comparison-run.ts';

/** Read at a time of what only one of the disks has. */
const CHUNK_BYTES = 2 * 1024 * 1024;

export interface CompareDisksOptions {
  /** Disks of different sizes, and ranges that are not stored alike, count as different. */
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
  /**
   * What differs there: the bytes; with `strict` also how they are stored (whether in the image itself,
   * as data or as zeros, at a place in its file), and the size.
   */
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
  const reached = (doneBytes: number): void => {
    refuseAborted(signal, first.name);
    onProgress?.({ doneBytes, totalBytes });
  };
  const run = new ComparisonRun([first, second], commonBytes, { strict, reached });
  const difference = yield* run.firstDifference();
  if (difference !== undefined) return differs(difference.kind, difference.guestOffset);
  const longer = first.sizeBytes > second.sizeBytes ? first : second;
  const operand = longer === first ? 0 : 1;
  const dataAt = yield* firstNonZero(longer, operand, commonBytes, reached);
  if (dataAt !== undefined) return differs('content', dataAt);
  return { identical: true, guestOffset: undefined, kind: undefined, sizesDiffer };
}

/** @param reached called with each offset that is come to; may throw to call the work off */
function* firstNonZero(
  disk: DiskFile,
  operand: number,
  start: number,
  reached: (doneBytes: number) => void,
): Step<number | undefined> {
  let buffer: Uint8Array | undefined;
  for (let at = start; at < disk.sizeBytes;) {
    reached(at);
    const status = yield* statusOf(disk, operand, at, disk.sizeBytes - at);
    if (status.zero) {
      at += status.lengthBytes;
      continue;
    }
    const offset = at;
    buffer ??= new Uint8Array(CHUNK_BYTES);
    const chunk = buffer.subarray(0, Math.min(status.lengthBytes, CHUNK_BYTES));
    yield* readOf(disk, operand, chunk, offset);
    if (!isAllZero(chunk)) return at + chunk.findIndex((byte) => byte !== 0);
    at += chunk.length;
  }
  reached(disk.sizeBytes);
  return undefined;
}
