/**
 * One Zstandard frame (RFC 8878) in pieces. libzstd gets a block at a time, so that what it makes of
 * each call is bounded, and where the frame ends is known from its headers.
 */
import {
  brokenZstd,
  DiskError,
  readZstdBlock,
  readZstdHeader,
  ZSTD_BLOCK_HEADER_BYTES,
  ZSTD_MAX_BLOCK_BYTES,
  zstdHeaderBytes,
} from '@diskfile/bytes';
import type { StreamDecoder } from '@diskfile/core';

/** What stands behind a stream: some libzstd. */
export interface ZstdEngine {
  /** Largest window that it has room for. */
  readonly maxWindowBytes: number;
  /**
   * Decodes a part of the frame: its header, a block, or its checksum.
   * @param emit takes output, which is valid during the call
   * @throws DiskError `corrupt`
   */
  push(part: Uint8Array, emit: (bytes: Uint8Array) => void): void;
  close(): void;
}

const CHECKSUM_BYTES = 4;
/** As far as the byte that tells how long the header is. */
const DESCRIPTOR_END = 5;

type Stage = 'descriptor' | 'header' | 'block header' | 'block' | 'checksum' | 'end';

export class ZstdStream implements StreamDecoder {
  takenBytes = 0;
  filledBytes = 0;
  isAtEnd = false;
  readonly #engine: ZstdEngine;
  readonly #part = new Uint8Array(ZSTD_MAX_BLOCK_BYTES + ZSTD_BLOCK_HEADER_BYTES);
  #partBytes = 0;
  /** As long as the part has to be for the next step. */
  #wantedBytes = DESCRIPTOR_END;
  #stage: Stage = 'descriptor';
  #hasChecksum = false;
  #isLastBlock = false;
  /** Output that waits for room. */
  #ready: Uint8Array[] = [];

  constructor(engine: ZstdEngine) {
    this.#engine = engine;
  }

  decode(src: Uint8Array, dst: Uint8Array): void {
    this.takenBytes = 0;
    this.filledBytes = 0;
    for (;;) {
      this.#deliver(dst);
      if (this.#ready.length > 0) return;
      if (this.#stage === 'end') {
        this.isAtEnd = true;
        return;
      }
      if (!this.#collect(src)) return;
      this.#step();
    }
  }

  #deliver(dst: Uint8Array): void {
    while (this.#ready.length > 0 && this.filledBytes < dst.length) {
      const next = this.#ready[0]!;
      const count = Math.min(next.length, dst.length - this.filledBytes);
      dst.set(next.subarray(0, count), this.filledBytes);
      this.filledBytes += count;
      if (count === next.length) this.#ready.shift();
      else this.#ready[0] = next.subarray(count);
    }
  }

  /** Takes input until the part is as long as it has to be. */
  #collect(src: Uint8Array): boolean {
    const count = Math.min(this.#wantedBytes - this.#partBytes, src.length - this.takenBytes);
    this.#part.set(src.subarray(this.takenBytes, this.takenBytes + count), this.#partBytes);
    this.takenBytes += count;
    this.#partBytes += count;
    return this.#partBytes === this.#wantedBytes;
  }

  #step(): void {
    switch (this.#stage) {
      case 'descriptor':
        return this.#next('header', zstdHeaderBytes(this.#part[DESCRIPTOR_END - 1]!));
      case 'header':
        this.#readHeader();
        this.#push();
        return this.#next('block header', ZSTD_BLOCK_HEADER_BYTES);
      case 'block header': {
        const { lengthBytes, isLast } = readZstdBlock(this.#part, 0);
        this.#isLastBlock = isLast;
        return this.#next('block', lengthBytes);
      }
      case 'block':
        this.#push();
        if (!this.#isLastBlock) return this.#next('block header', ZSTD_BLOCK_HEADER_BYTES);
        return this.#hasChecksum ? this.#next('checksum', CHECKSUM_BYTES) : this.#next('end', 0);
      default:
        this.#push();
        return this.#next('end', 0);
    }
  }

  #next(stage: Stage, wantedBytes: number): void {
    this.#stage = stage;
    this.#wantedBytes = wantedBytes;
  }

  #readHeader(): void {
    const { hasChecksum, windowBytes } = readZstdHeader(this.#part, 0);
    this.#hasChecksum = hasChecksum;
    const { maxWindowBytes } = this.#engine;
    if (windowBytes > maxWindowBytes) throw windowTooLarge(windowBytes, maxWindowBytes);
  }

  #push(): void {
    const part = this.#part.subarray(0, this.#partBytes);
    this.#engine.push(part, (bytes) => this.#ready.push(bytes.slice()));
    this.#partBytes = 0;
  }

  /** A frame can only be gone through from its start. */
  checkpoint(): undefined {}

  close(): void {
    this.#engine.close();
  }
}

function windowTooLarge(windowBytes: number, maxWindowBytes: number): DiskError {
  return new DiskError(
    'limit',
    'codec.zstd-window',
    `A zstd stream refers back ${windowBytes} bytes, and ${maxWindowBytes} is all there is room for`,
    {
      hint: 'Use Node 22.15 or newer, or compress with a smaller window: zstd without --long or --ultra.',
    },
  );
}

export function brokenFrame(cause?: unknown): DiskError {
  return brokenZstd('libzstd refuses it', cause);
}
