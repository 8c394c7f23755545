/** Brings what the images above a base hold down into that base. */
import { alignDown, alignUp, isAligned } from '@diskfile/bytes';
import { type BlockStatus, type DiskFile, readInto, type Step } from '@diskfile/core';
import { RateLimit } from '../convert/rate-limit.ts';
import type { ChainSession } from './chain-session.ts';
import { nextStatus, writeDisk, zeroDisk } from './disk-steps.ts';

/** Guest bytes that are moved at a time. */
const CHUNK_BYTES = 2 * 1024 * 1024;
/** Least and most that QEMU goes by, in place of the base's clusters. */
const MIN_UNIT_BYTES = 4096;
const MAX_UNIT_BYTES = 65_536;

export interface ContentCopyOptions {
  readonly baseDepth: number;
  /** Whether zeros are written also where the base reads as zeros. */
  readonly asQemu: boolean;
  /** See `CommitDiskFileOptions`. */
  readonly bytesPerSecond: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export class ContentCopy {
  readonly #session: ChainSession;
  readonly #disk: DiskFile;
  readonly #base: DiskFile;
  readonly #baseDepth: number;
  readonly #asQemu: boolean;
  readonly #rateLimit: RateLimit | undefined;
  readonly #buffer: Uint8Array;

  /**
   * @param disk the whole chain
   * @param base the lower part of it, from `baseDepth` on, and no shorter than `disk`
   */
  constructor(
    session: ChainSession,
    disk: DiskFile,
    base: DiskFile,
    { baseDepth, asQemu, bytesPerSecond, signal }: ContentCopyOptions,
  ) {
    this.#session = session;
    this.#disk = disk;
    this.#base = base;
    this.#baseDepth = baseDepth;
    this.#asQemu = asQemu;
    this.#rateLimit =
      bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond, signal);
    this.#buffer = new Uint8Array(chunkBytesFor(bytesPerSecond));
  }

  /** To whoever reads the whole chain nothing changes: what is written is covered from above. */
  *run(): Step<void> {
    const { sizeBytes } = this.#disk;
    for (let at = 0; at < sizeBytes;) {
      this.#session.reached(at, sizeBytes);
      const status = yield* nextStatus(this.#disk, at, sizeBytes - at);
      if (!this.#isAbove(status)) at += status.lengthBytes;
      else at = yield* this.#asQemu ? this.#copyUnits(status) : this.#copy(status);
    }
    this.#session.reached(sizeBytes, sizeBytes);
  }

  /**
   * As QEMU, copies whole units that a range above the base touches. Zeros are made only of whole
   * units that are known to be zeros, and of whole clusters of the base; all else is data.
   * @returns where it ended
   */
  *#copyUnits(above: BlockStatus): Step<number> {
    const { sizeBytes } = this.#disk;
    const { clusterBytes } = this.#base.topology;
    const unitBytes =
      clusterBytes > 1
        ? Math.min(Math.max(clusterBytes, MIN_UNIT_BYTES), MAX_UNIT_BYTES)
        : MAX_UNIT_BYTES;
    const start = alignDown(above.guestOffset, unitBytes);
    const aboveEnd = alignUp(above.guestOffset + above.lengthBytes, unitBytes);
    const limit = Math.min(aboveEnd, sizeBytes) - start;
    const status =
      start === above.guestOffset ? above : yield* nextStatus(this.#disk, start, limit);
    const knownBytes = alignDown(Math.min(status.lengthBytes, limit), unitBytes);
    const isWhole = isAligned(start, clusterBytes) && isAligned(knownBytes, clusterBytes);
    if (status.zero && !status.data && knownBytes > 0 && isWhole) {
      yield* zeroDisk(this.#base, start, knownBytes);
      return start + knownBytes;
    }
    const lengthBytes = Math.min(
      Math.max(knownBytes, unitBytes),
      this.#buffer.length,
      sizeBytes - start,
    );
    return start + (yield* this.#move(start, lengthBytes));
  }

  /**
   * Whether what a range reads as is decided above the base. That goes for zeros beyond the end of
   * an image in between as well: they cover what the base has there.
   */
  #isAbove({ depth, allocated }: BlockStatus): boolean {
    return allocated ? depth < this.#baseDepth : depth + 1 < this.#baseDepth;
  }

  /** @returns where it ended */
  *#copy({ guestOffset, lengthBytes, zero }: BlockStatus): Step<number> {
    const done = zero
      ? yield* this.#zero(guestOffset, lengthBytes)
      : yield* this.#move(guestOffset, Math.min(lengthBytes, this.#buffer.length));
    return guestOffset + done;
  }

  /** @returns bytes done */
  *#move(guestOffset: number, lengthBytes: number): Step<number> {
    if (this.#rateLimit !== undefined) yield this.#rateLimit.pass(lengthBytes);
    const chunk = this.#buffer.subarray(0, lengthBytes);
    yield* readInto(this.#disk, chunk, guestOffset);
    yield* writeDisk(this.#base, chunk, guestOffset);
    return lengthBytes;
  }

  *#zero(guestOffset: number, lengthBytes: number): Step<number> {
    const below = yield* nextStatus(this.#base, guestOffset, lengthBytes);
    const isEmpty = below.zero && !below.allocated;
    if (!isEmpty) yield* zeroDisk(this.#base, guestOffset, below.lengthBytes);
    return below.lengthBytes;
  }
}

/** What a quarter of a second has room for: a slow copy is to move on steadily. */
function chunkBytesFor(bytesPerSecond = Infinity): number {
  const wanted = Math.min(bytesPerSecond / 4, CHUNK_BYTES);
  return Math.max(alignDown(Math.floor(wanted), MAX_UNIT_BYTES), MAX_UNIT_BYTES);
}
