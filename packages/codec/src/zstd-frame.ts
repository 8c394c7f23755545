/**
 * Finds the end of a Zstandard frame from its headers alone (RFC 8878, section 3.1). Decoders
 * stumble over what follows a frame, so each is given its frame and not a byte more.
 */
import {
  bitField,
  DiskError,
  hasAnyBit,
  maskBits,
  powerOfTwo,
  readU16le,
  readU32le,
  readU64le,
} from '@diskfile/bytes';

/** One frame within a run of bytes. */
export interface ZstdFrame {
  /** Where the frame ends and the next may begin. */
  readonly end: number;
  /** Skippable frames carry no content (section 3.1.2). */
  readonly skippable: boolean;
  /** Frame_Content_Size; undefined when the frame does not say. */
  readonly contentBytes: number | undefined;
}

const MAGIC_NUMBER = 0xfd2f_b528;
const SKIPPABLE_MAGIC = 0x184d_2a50;
const SKIPPABLE_MASK = 0xffff_fff0;
const MAX_BLOCK_BYTES = 128 * 1024;
/** Larger windows are refused, as libzstd and with it QEMU do by default. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/** Block_Type values that need telling apart (section 3.1.1.2.2). */
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/**
 * Measures the frame that begins at `start`. The content of blocks is not looked at.
 * @throws DiskError `corrupt` when no whole frame begins there.
 */
export function readZstdFrame(src: Uint8Array, start: number): ZstdFrame {
  requireBytes(src, start, 4);
  const magic = readU32le(src, start);
  if (maskBits(magic, SKIPPABLE_MASK) === SKIPPABLE_MAGIC) return readSkippableFrame(src, start);
  if (magic !== MAGIC_NUMBER) throw brokenZstd('no frame begins where one should');
  const header = readHeader(src, start + 4);
  const end = skipBlocks(src, header.end) + (header.hasChecksum ? 4 : 0);
  requireBytes(src, end, 0);
  return { end, skippable: false, contentBytes: header.contentBytes };
}

function readSkippableFrame(src: Uint8Array, start: number): ZstdFrame {
  requireBytes(src, start, 8);
  const end = start + 8 + readU32le(src, start + 4);
  requireBytes(src, end, 0);
  return { end, skippable: true, contentBytes: undefined };
}

interface FrameHeader {
  readonly end: number;
  readonly hasChecksum: boolean;
  readonly contentBytes: number | undefined;
}

/** Frame_Header, section 3.1.1.1. */
function readHeader(src: Uint8Array, start: number): FrameHeader {
  requireBytes(src, start, 1);
  const descriptor = src[start]!;
  if (hasAnyBit(descriptor, 0x08)) throw brokenZstd('a reserved header bit is set');
  const singleSegment = hasAnyBit(descriptor, 0x20);
  const contentSizeFlag = bitField(descriptor, 6, 2);
  const windowAt = start + 1;
  const dictionaryAt = windowAt + (singleSegment ? 0 : 1);
  const contentSizeAt = dictionaryAt + DICTIONARY_ID_BYTES[bitField(descriptor, 0, 2)]!;
  const contentSizeLength =
    singleSegment && contentSizeFlag === 0 ? 1 : CONTENT_SIZE_BYTES[contentSizeFlag]!;
  const end = contentSizeAt + contentSizeLength;
  requireBytes(src, end, 0);
  if (!singleSegment) checkWindow(src[windowAt]!);
  if (src.subarray(dictionaryAt, contentSizeAt).some((byte) => byte !== 0)) {
    throw brokenZstd('it needs a dictionary');
  }
  return {
    end,
    hasChecksum: hasAnyBit(descriptor, 0x04),
    contentBytes: readContentSize(src, contentSizeAt, contentSizeLength),
  };
}

/** Window_Descriptor, section 3.1.1.1.2. */
function checkWindow(descriptor: number): void {
  const windowBase = powerOfTwo(10 + bitField(descriptor, 3, 5));
  const windowBytes = windowBase + (windowBase / 8) * bitField(descriptor, 0, 3);
  if (windowBytes <= MAX_WINDOW_BYTES) return;
  throw new DiskError(
    'limit',
    'codec.zstd-window',
    `A zstd stream asks for a window of ${windowBytes} bytes, above ${MAX_WINDOW_BYTES}`,
  );
}

/** Frame_Content_Size, section 3.1.1.1.4. */
function readContentSize(src: Uint8Array, at: number, lengthBytes: number): number | undefined {
  if (lengthBytes === 0) return undefined;
  if (lengthBytes === 1) return src[at]!;
  if (lengthBytes === 2) return readU16le(src, at) + 256;
  return lengthBytes === 4 ? readU32le(src, at) : readU64le(src, at, 'Frame_Content_Size');
}

/** Walks the blocks (section 3.1.1.2) to the end of the last one. */
function skipBlocks(src: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    requireBytes(src, at, 3);
    const header = readU16le(src, at) + src[at + 2]! * 0x1_0000;
    const blockType = bitField(header, 1, 2);
    const blockSize = bitField(header, 3, 21);
    if (blockType === RESERVED_BLOCK) throw brokenZstd('a block has a reserved type');
    if (blockSize > MAX_BLOCK_BYTES) throw brokenZstd(`a block is ${blockSize} bytes long`);
    at += 3 + (blockType === RLE_BLOCK ? 1 : blockSize);
    if (hasAnyBit(header, 1)) return at;
  }
}

function requireBytes(src: Uint8Array, at: number, lengthBytes: number): void {
  if (at + lengthBytes > src.length) throw brokenZstd('it ends within a frame');
}

export function brokenZstd(reason: string, cause?: unknown): DiskError {
  const message = `A zstd stream is broken: ${reason}`;
  return new DiskError('corrupt', 'codec.zstd-broken', message, { cause });
}
