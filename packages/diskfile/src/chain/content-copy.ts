/** Brings what the images above a base hold down into that base. */
import { type BlockStatus, type DiskFile, readInto, type Step } from '@diskfile/core';
import type { ChainSession } from './chain-session.ts';
import { nextStatus, writeDisk, zeroDisk } from './disk-steps.ts';

/** Guest bytes that are moved at a time. */
const CHUNK_BYTES = 2 * 1024 * 1024;

export class ContentCopy {
  readonly #session: ChainSession;
  readonly #disk: DiskFile;
  readonly #base: DiskFile;
  readonly #baseDepth: number;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);

  /**
   * @param disk the whole chain
   * @param base the lower part of it, from `baseDepth` on, and no shorter than `disk`
   */
  constructor(session: ChainSession, disk: DiskFile, base: DiskFile, baseDepth: number) {
    this.#session = session;
    this.#disk = disk;
    this.#base = base;
    this.#baseDepth = baseDepth;
  }

  /** To whoever reads the whole chain nothing changes: what is written is covered from above. */
  *run(): Step<void> {
    const { sizeBytes } = this.#disk;
    for (let at = 0; at < sizeBytes;) {
      this.#session.reached(at, sizeBytes);
      const status = yield* nextStatus(this.#disk, at, sizeBytes - at);
      at += this.#isAbove(status) ? yield* this.#copy(status) : status.lengthBytes;
    }
    this.#session.reached(sizeBytes, sizeBytes);
  }

  /**
   * Whether what a range reads as is decided above the base. That goes for zeros beyond the end of
   * an image in between as well: they cover what the base has there.
   */
  #isAbove({ depth, allocated }: BlockStatus): boolean {
    return allocated ? depth < this.#baseDepth : depth + 1 < this.#baseDepth;
  }

  /** @returns bytes done */
  *#copy({ guestOffset, lengthBytes, zero }: BlockStatus): Step<number> {
    if (zero) return yield* this.#zero(guestOffset, lengthBytes);
    const chunk = this.#buffer.subarray(0, Math.min(lengthBytes, CHUNK_BYTES));
    yield* readInto(this.#disk, chunk, guestOffset);
    yield* writeDisk(this.#base, chunk, guestOffset);
    return chunk.length;
  }

  *#zero(guestOffset: number, lengthBytes: number): Step<number> {
    const below = yield* nextStatus(this.#base, guestOffset, lengthBytes);
    const isEmpty = below.zero && !below.allocated;
    if (!isEmpty) yield* zeroDisk(this.#base, guestOffset, below.lengthBytes);
    return below.lengthBytes;
  }
}
