/** What is to be copied, cut into jobs: block status in, ranges of data and of zeros out. */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { asking } from '../chain/failed-request.ts';
import type { SourceParts, SourceStatus } from './source-parts.ts';

/**
 * Data that one job has at most, unless a single unit is more: what bounds memory. What is only
 * copied goes in larger pieces than what is decoded or encoded, which is in the caches then.
 */
const COPIED_JOB_BYTES = 4 * 1024 * 1024;
const CODED_JOB_BYTES = 2 * 1024 * 1024;
/** Bounds a job where the source has very many small holes. */
const ITEMS_PER_JOB = 1024;
/** Of a range whose status cannot be read, as much is tried to be read. */
const UNKNOWN_BYTES = 64 * 1024;

/** A range of the target. */
export interface CopyItem {
  /** `zero`: it is to be made zeros, which it is not known to be. */
  readonly kind: 'data' | 'zero';
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

/** Items in the order of the disk: first those that are to be zeros, then those that are data. */
export interface CopyJob {
  readonly items: readonly CopyItem[];
  readonly dataBytes: number;
  /** Whether some of the data is compressed in the source. */
  readonly isCompressed: boolean;
  /** Guest bytes that are dealt with when this job is done: those left out count as well. */
  readonly coveredBytes: number;
}

export interface CopyPlanOptions {
  /** First byte of the source that is copied, to the start of the target. */
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** Unit that data begins and ends at; 1 where any byte will do. */
  readonly unitBytes: number;
  /** Whether the data is compressed on the way. */
  readonly encodes: boolean;
  /** Whether the target reads as zeros before the copy, so that zeros need not be written. */
  readonly targetIsZero: boolean;
  /** Whether holes are stored like data. */
  readonly storesHoles: boolean;
  /**
   * The image below the target, which has what the source has from that depth on; undefined for
   * none. That is left out then, and zeros have to cover what the image holds.
   */
  readonly below: { readonly lengthBytes: number; readonly sourceDepth: number } | undefined;
  /** Whether what cannot be read is left to be tried piece by piece. */
  readonly salvage: boolean;
}

export class CopyPlan {
  readonly #source: SourceParts;
  readonly #options: CopyPlanOptions;
  /** Data of a job, and of one whose first data is compressed in the source: whole units. */
  readonly #jobBytes: number;
  readonly #codedJobBytes: number;
  #at = 0;
  /** Zeros behind the data of a job: they are for the next one. */
  #held: CopyItem | undefined;

  constructor(source: SourceParts, options: CopyPlanOptions) {
    this.#source = source;
    this.#options = options;
    const { unitBytes, encodes } = options;
    this.#codedJobBytes = Math.max(alignDown(CODED_JOB_BYTES, unitBytes), unitBytes);
    this.#jobBytes = encodes
      ? this.#codedJobBytes
      : Math.max(alignDown(COPIED_JOB_BYTES, unitBytes), unitBytes);
  }

  /** Most data that a job has. */
  get jobBytes(): number {
    return this.#jobBytes;
  }

  /** Goes through all jobs. @returns the bytes of data that they have together */
  *countData(): Step<number> {
    let dataBytes = 0;
    for (let job = yield* this.next(); job !== undefined; job = yield* this.next()) {
      dataBytes += job.dataBytes;
    }
    return dataBytes;
  }

  /** The next job; undefined when there is none. One call at a time. */
  *next(): Step<CopyJob | undefined> {
    const { lengthBytes: end } = this.#options;
    const items: CopyItem[] = this.#held === undefined ? [] : [this.#held];
    const start = this.#held?.guestOffset ?? this.#at;
    if (start === end) return undefined;
    this.#held = undefined;
    let dataBytes = 0;
    let mostBytes = this.#jobBytes;
    let isCompressed = false;
    let looks = 0;
    while (this.#at < end && dataBytes < mostBytes && items.length < ITEMS_PER_JOB) {
      const status = yield* this.#status();
      if (dataBytes === 0 && status.compressed) mostBytes = this.#codedJobBytes;
      const item = this.#takeItem(status, mostBytes - dataBytes);
      if (item?.kind === 'zero' && dataBytes > 0) {
        this.#held = item;
        break;
      }
      if (item?.kind === 'data') {
        dataBytes += item.lengthBytes;
        isCompressed ||= status.compressed;
      }
      if (item !== undefined) addItem(items, item);
      // Reports progress now and then where there is nothing to do.
      looks += 1;
      if (looks === ITEMS_PER_JOB) break;
    }
    const coveredBytes = (this.#held?.guestOffset ?? this.#at) - start;
    return { items, dataBytes, isCompressed, coveredBytes };
  }

  /** Goes on to the end of the range of a status; undefined for one that is left out. */
  #takeItem(status: SourceStatus, mostData: number): CopyItem | undefined {
    const guestOffset = this.#at;
    const left = this.#options.lengthBytes - guestOffset;
    let kind = this.#kindOf(status);
    let lengthBytes = this.#wholeUnits(kind, status.lengthBytes, left);
    if (lengthBytes === 0) {
      // A unit that holds any data is data.
      kind = 'data';
      lengthBytes = Math.min(this.#options.unitBytes, left);
    }
    if (kind === 'data') lengthBytes = Math.min(lengthBytes, mostData);
    this.#at += lengthBytes;
    return kind === 'skip' ? undefined : { kind, guestOffset, lengthBytes };
  }

  /** Of what comes next. */
  *#status(): Step<SourceStatus> {
    const { lengthBytes: end, below } = this.#options;
    const backingBytes = below?.lengthBytes ?? 0;
    const lengthBytes = (this.#at < backingBytes ? Math.min(end, backingBytes) : end) - this.#at;
    const guestOffset = this.#options.startBytes + this.#at;
    try {
      return yield* asking(
        { request: 'block-status', guestOffset },
        this.#source.status(guestOffset, lengthBytes),
      );
    } catch (error) {
      if (!this.#options.salvage || !(error instanceof DiskError)) throw error;
      const unknown = Math.min(lengthBytes, UNKNOWN_BYTES);
      return { lengthBytes: unknown, zero: false, allocated: true, depth: 0, compressed: false };
    }
  }

  #kindOf({ zero, depth }: SourceStatus): CopyItem['kind'] | 'skip' {
    const { below, storesHoles, targetIsZero } = this.#options;
    if (below !== undefined) {
      if (depth >= below.sourceDepth) return 'skip';
      // Beyond the image below, nothing is there that had to be covered.
      if (zero && this.#at >= below.lengthBytes) return 'skip';
    }
    if (!zero || storesHoles) return 'data';
    return targetIsZero ? 'skip' : 'zero';
  }

  /** As much of a range as can be done at once: whole units, but for the end of the disk. */
  #wholeUnits(kind: CopyItem['kind'] | 'skip', lengthBytes: number, left: number): number {
    if (lengthBytes === left) return left;
    const { unitBytes } = this.#options;
    if (unitBytes === 1) return lengthBytes;
    return kind === 'data'
      ? Math.min(alignUp(lengthBytes, unitBytes), left)
      : alignDown(lengthBytes, unitBytes);
  }
}

/** Neighbours of one kind make one item. */
function addItem(items: CopyItem[], item: CopyItem): void {
  const last = items.at(-1);
  if (last?.kind !== item.kind || last.guestOffset + last.lengthBytes !== item.guestOffset) {
    items.push(item);
    return;
  }
  items[items.length - 1] = { ...last, lengthBytes: last.lengthBytes + item.lengthBytes };
}
