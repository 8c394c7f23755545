/**
 * A file in the Zstandard Seekable Format while it is written: frames of one length of content, in
 * the order of the disk, one behind the other. What is skipped becomes frames of zeros. A flush
 * makes the file whole: zeros to the end of the disk, and the seek table.
 */
import { DiskError, writeU32le } from '@diskfile/bytes';
import {
  type CompressedWriter,
  type EncodedAllocation,
  flushStorage,
  type Step,
  truncateStorage,
  type UnitFraming,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { FOOTER_BYTES, HEADER_BYTES, SEEK_TABLE_MAGIC, SKIPPABLE_MAGIC } from './seek-table.ts';
import { zeroFrame } from './zero-frame.ts';

const ENTRY_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** Frames of zeros that are written at a time. */
const RUN_BYTES = 256 * 1024;

export interface FrameLayout {
  readonly sizeBytes: number;
  /** Content of each frame but the last, which has what is left. */
  readonly frameBytes: number;
}

export class FrameStream implements CompressedWriter {
  readonly unitBytes: number;
  /** Each frame ends in a checksum of its content. */
  readonly encoderId = 'zstd-checked';
  readonly inOrder = true;
  readonly framing: UnitFraming;
  readonly storage: WritableStorage;
  readonly #frameCount: number;
  readonly #lastContentBytes: number;
  readonly #zeros: Uint8Array;
  readonly #lastZeros: Uint8Array;
  /** Where each frame begins that has been written, and where the last of them ends. */
  readonly #starts: Float64Array;
  #written = 0;
  #isWhole = false;

  constructor(storage: WritableStorage, { sizeBytes, frameBytes }: FrameLayout) {
    this.storage = storage;
    this.unitBytes = frameBytes;
    this.framing = {
      headerBytes: 0,
      alignmentBytes: 1,
      maxEncodedBytes: longestFrame(frameBytes),
      writeHeader: () => {},
    };
    // A disk of no bytes is a frame without content: a file has to begin with one.
    this.#frameCount = Math.max(1, Math.ceil(sizeBytes / frameBytes));
    this.#lastContentBytes = sizeBytes - (this.#frameCount - 1) * frameBytes;
    this.#zeros = zeroFrame(frameBytes);
    this.#lastZeros = zeroFrame(this.#lastContentBytes);
    this.#starts = new Float64Array(this.#frameCount + 1);
  }

  /** Frames that have been written, from the first one on; all others are zeros. */
  get writtenFrames(): number {
    return this.#written;
  }

  /** Where a frame begins that has been written, or where the one before it ends. */
  startOf(frameIndex: number): number {
    return this.#starts[frameIndex]!;
  }

  /** The file is a disk of zeros already, as a flush would make it. */
  markWhole(): void {
    this.#isWhole = true;
  }

  /** @throws DiskError `unsupported` for a frame at or before one that has been written */
  *allocate(guestOffset: number, hostLengths: readonly number[]): Step<EncodedAllocation> {
    const first = guestOffset / this.unitBytes;
    if (first < this.#written) throw outOfOrder(guestOffset, this.#written * this.unitBytes);
    this.#isWhole = false;
    const gap = this.startOf(this.#written);
    yield* this.#writeZeros(this.#written, first, gap);
    for (; this.#written < first; this.#written++) {
      this.#starts[this.#written + 1] = this.startOf(this.#written) + this.#zeros.length;
    }
    const hostOffsets: number[] = [];
    let end = this.startOf(first);
    for (const length of hostLengths) {
      hostOffsets.push(end);
      end += length;
    }
    return {
      storage: this.storage,
      hostOffsets,
      commit: () => this.#link(first, hostLengths),
      // The next frame takes its place.
      *cancel() {},
    };
  }

  // eslint-disable-next-line require-yield
  *#link(first: number, hostLengths: readonly number[]): Step<void> {
    for (const [index, length] of hostLengths.entries()) {
      this.#starts[first + index + 1] = this.startOf(first + index) + length;
    }
    this.#written = first + hostLengths.length;
  }

  /** @returns where they end */
  *#writeZeros(from: number, to: number, hostOffset: number): Step<number> {
    const hasLast = to === this.#frameCount && from < to;
    const frameBytes = this.#zeros.length;
    let left = to - from - (hasLast ? 1 : 0);
    let at = hostOffset;
    const runFrames = Math.min(left, Math.floor(RUN_BYTES / frameBytes));
    const run = new Uint8Array(runFrames * frameBytes);
    for (let start = 0; start < run.length; start += frameBytes) run.set(this.#zeros, start);
    while (left > 0) {
      const count = Math.min(left, runFrames);
      yield* writeBytes(this.storage, run.subarray(0, count * frameBytes), at);
      at += count * frameBytes;
      left -= count;
    }
    if (!hasLast) return at;
    yield* writeBytes(this.storage, this.#lastZeros, at);
    return at + this.#lastZeros.length;
  }

  /** Makes the file whole and durable. */
  *flush(): Step<void> {
    if (!this.#isWhole) {
      const end = this.startOf(this.#written);
      const tableAt = yield* this.#writeZeros(this.#written, this.#frameCount, end);
      const table = this.#seekTable();
      yield* writeBytes(this.storage, table, tableAt);
      yield* truncateStorage(this.storage, tableAt + table.length);
      this.#isWhole = true;
    }
    yield* flushStorage(this.storage);
  }

  #seekTable(): Uint8Array {
    const count = this.#frameCount;
    const bodyBytes = count * ENTRY_BYTES + FOOTER_BYTES;
    const table = new Uint8Array(HEADER_BYTES + bodyBytes);
    writeU32le(table, 0, SKIPPABLE_MAGIC);
    writeU32le(table, 4, bodyBytes);
    for (let index = 0; index < count; index++) {
      const at = HEADER_BYTES + index * ENTRY_BYTES;
      const isLast = index === count - 1;
      const zeros = isLast ? this.#lastZeros : this.#zeros;
      const isWritten = index < this.#written;
      const hostBytes = isWritten ? this.startOf(index + 1) - this.startOf(index) : zeros.length;
      writeU32le(table, at, hostBytes);
      writeU32le(table, at + 4, isLast ? this.#lastContentBytes : this.unitBytes);
    }
    const footerAt = table.length - FOOTER_BYTES;
    writeU32le(table, footerAt, count);
    writeU32le(table, footerAt + 5, SEEK_TABLE_MAGIC);
    return table;
  }
}

/** libzstd's bound, and the checksum. */
function longestFrame(contentBytes: number): number {
  return contentBytes + Math.ceil(contentBytes / 256) + 64 + CHECKSUM_BYTES;
}

function outOfOrder(guestOffset: number, writtenBytes: number): DiskError {
  return new DiskError(
    'unsupported',
    'zstd.out-of-order',
    `The frames of a zstd file are written once and in their order, and are up to ${writtenBytes} already`,
    { offset: guestOffset, hint: 'Convert the disk to qcow2 or another format to change it.' },
  );
}
