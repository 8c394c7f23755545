/** The frames of a zstd file, found by walking over the headers of their blocks. */
import {
  brokenZstd,
  isSkippableMagic,
  readU32le,
  readZstdBlock,
  readZstdHeader,
  ZSTD_BLOCK_HEADER_BYTES,
  ZSTD_MAX_BLOCK_BYTES,
  ZSTD_MAX_HEADER_BYTES,
} from '@diskfile/bytes';
import type { Step, Storage } from '@diskfile/core';
import { ByteInput, truncated } from '../byte-input.ts';

export interface Frame {
  readonly hostOffset: number;
  readonly hostBytes: number;
  /** Undefined when the frame does not say. */
  readonly contentBytes: number | undefined;
}

/** Reads the frame that begins at `hostOffset`; undefined for a skippable one, and its end. */
export function* readFrame(
  storage: Storage,
  input: ByteInput,
): Step<{ readonly frame: Frame | undefined; readonly end: number }> {
  const hostOffset = input.offset;
  const start = yield* input.peek(ZSTD_MAX_HEADER_BYTES);
  if (start.length < 8) throw truncated(storage);
  if (isSkippableMagic(readU32le(start, 0))) {
    const end = hostOffset + 8 + readU32le(start, 4);
    if (end > storage.sizeBytes) throw truncated(storage);
    return { frame: undefined, end };
  }
  const header = readZstdHeader(start, 0);
  input.skip(header.end);
  const blocks = yield* skipBlocks(storage, input);
  const end = input.offset + (header.hasChecksum ? 4 : 0);
  if (end > storage.sizeBytes) throw truncated(storage);
  const { contentBytes } = header;
  if (contentBytes !== undefined && contentBytes > blocks * ZSTD_MAX_BLOCK_BYTES) {
    throw brokenZstd(`${blocks} blocks cannot hold ${contentBytes} bytes`);
  }
  return { frame: { hostOffset, hostBytes: end - hostOffset, contentBytes }, end };
}

/** @returns how many there are */
function* skipBlocks(storage: Storage, input: ByteInput): Step<number> {
  for (let blocks = 1; ; blocks++) {
    const header = yield* input.peek(ZSTD_BLOCK_HEADER_BYTES);
    if (header.length < ZSTD_BLOCK_HEADER_BYTES) throw truncated(storage);
    const { lengthBytes, isLast } = readZstdBlock(header, 0);
    input.skip(lengthBytes);
    if (input.offset > storage.sizeBytes) throw truncated(storage);
    if (isLast) return blocks;
  }
}
