/**
 * Metadata blocks by number, as they are after the journal has been replayed. Blocks are kept in a
 * bounded cache that all parts of a volume share; nobody writes into a block that it got here.
 */
import { writeU32be } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { JournalOverlay } from '../journal/overlay.ts';
import type { Report } from '../report.ts';

/** The number that an escaped block begins with ("Journal", data block). */
export const JBD2_MAGIC = 0xc03b_3998;
/** Bytes that are fetched at once when the blocks that follow will be wanted as well. */
const READ_AHEAD_BYTES = 32 * 1024;

export class BlockReader {
  readonly storage: Storage;
  readonly blockBytes: number;
  /** Blocks that both the filesystem and the disk have. */
  readonly blockCount: number;
  readonly overlay: JournalOverlay;
  readonly report: Report;
  readonly #capacity: number;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(
    storage: Storage,
    shape: { readonly blockBytes: number; readonly blockCount: number },
    overlay: JournalOverlay,
    report: Report,
    cacheBytes: number,
  ) {
    this.storage = storage;
    this.blockBytes = shape.blockBytes;
    this.blockCount = Math.min(shape.blockCount, Math.floor(storage.sizeBytes / shape.blockBytes));
    this.overlay = overlay;
    this.report = report;
    this.#capacity = Math.max(16, Math.floor(cacheBytes / shape.blockBytes));
  }

  /** The block if it is in memory. */
  cached(block: number): Uint8Array | undefined {
    const bytes = this.#blocks.get(block);
    if (bytes === undefined) return undefined;
    this.#blocks.delete(block);
    this.#blocks.set(block, bytes);
    return bytes;
  }

  /**
   * A block.
   * @param following how many blocks after this one are likely to be wanted next
   * @throws DiskError `corrupt` when the filesystem or the disk ends before it
   */
  *read(block: number, following = 0): Step<Uint8Array> {
    const cached = this.cached(block);
    if (cached !== undefined) return cached;
    this.#checkBlock(block);
    const { blockBytes, overlay } = this;
    const index = overlay.indexFrom(block);
    if (overlay.blockAt(index) === block) return yield* this.#readOverlaid(block, index);
    const count = Math.min(
      1 + following,
      READ_AHEAD_BYTES / blockBytes,
      overlay.blockAt(index) - block,
      this.blockCount - block,
    );
    const lengthBytes = Math.max(1, count) * blockBytes;
    const run = yield* readBytes(this.storage, block * blockBytes, lengthBytes);
    // Copies, so that one block that stays in the cache does not hold on to the whole run.
    for (let at = run.length - blockBytes; at > 0; at -= blockBytes) {
      this.#keep(block + at / blockBytes, run.slice(at, at + blockBytes));
    }
    const bytes = run.length === blockBytes ? run : run.slice(0, blockBytes);
    this.#keep(block, bytes);
    return bytes;
  }

  *#readOverlaid(block: number, index: number): Step<Uint8Array> {
    const { blockBytes, overlay } = this;
    const offset = overlay.logBlockAt(index) * blockBytes;
    const bytes = yield* readBytes(this.storage, offset, blockBytes);
    if (overlay.isEscapedAt(index)) writeU32be(bytes, 0, JBD2_MAGIC);
    this.#keep(block, bytes);
    return bytes;
  }

  #checkBlock(block: number): void {
    if (block < this.blockCount) return;
    throw this.report.corrupt(
      'block-out-of-range',
      `Metadata is said to be in block ${block}, but there are only ${this.blockCount}`,
      { offset: block * this.blockBytes },
    );
  }

  #keep(block: number, bytes: Uint8Array): void {
    this.#blocks.delete(block);
    this.#blocks.set(block, bytes);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= this.#capacity) break;
      this.#blocks.delete(oldest);
    }
  }
}
