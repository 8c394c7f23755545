/**
 * Finds the end of a Zstandard frame from its headers alone (RFC 8878, section 3.1). Decoders
 * stumble over what follows a frame, so each is given its frame and not a byte more.
 */
import { powerOfTwo } from './alignment.ts';
import { DiskError } from './disk-error.ts';
import { bitField, hasAnyBit, maskBits, readU16le, readU32le, readU64le } from './integers.ts';

/** One frame within a run of bytes. */
export interface ZstdFrame {
  /** Where the frame ends and the next may begin. */
  readonly end: number;
  /** Skippable frames carry no content (section 3.1.2). */
  readonly skippable: boolean;
  /** Frame_Content_Size; undefined when the frame does not say. */
  readonly contentBytes: number | undefined;
}

export const ZSTD_MAGIC = 0xfd2f_b528;
const SKIPPABLE_MAGIC = 0x184d_2a50;
const SKIPPABLE_MASK = 0xffff_fff0;
/** Most that a block decodes to, and is encoded in. */
export const ZSTD_MAX_BLOCK_BYTES = 128 * 1024;
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
  if (isSkippableMagic(readU32le(src, start))) return readSkippableFrame(src, start);
  const header = readZstdHeader(src, start);
  const end = skipBlocks(src, header.end) + (header.hasChecksum ? 4 : 0);
  requireBytes(src, end, 0);
  return { end, skippable: false, contentBytes: header.contentBytes };
}

/** Whether a skippable frame begins so (section 3.1.2): its length follows. */
export function isSkippableMagic(magic: number): boolean {
  return maskBits(magic, SKIPPABLE_MASK) === SKIPPABLE_MAGIC;
}

function readSkippableFrame(src: Uint8Array, start: number): ZstdFrame {
  requireBytes(src, start, 8);
  const end = start + 8 + readU32le(src, start + 4);
  requireBytes(src, end, 0);
  return { end, skippable: true, contentBytes: undefined };
}

export interface ZstdHeader {
  readonly end: number;
  readonly hasChecksum: boolean;
  readonly contentBytes: number | undefined;
  /** How far back its blocks refer; that much memory it takes. */
  readonly windowBytes: number;
}

/** Longest that the magic number and the header take. */
export const ZSTD_MAX_HEADER_BYTES = 18;

/**
 * Magic number and Frame_Header, section 3.1.1.1.
 * @throws DiskError `corrupt`, `unsupported` for a frame that needs a dictionary, `limit` for a
 *   window that no decoder here has room for
 */
export function readZstdHeader(src: Uint8Array, frameStart: number): ZstdHeader {
  const start = frameStart + 4;
  requireBytes(src, start, 1);
  if (readU32le(src, frameStart) !== ZSTD_MAGIC) {
    throw brokenZstd('no frame begins where one should');
  }
  const descriptor = src[start]!;
  if (hasAnyBit(descriptor, 0x08)) throw brokenZstd('a reserved header bit is set');
  const { singleSegment, dictionaryLength, contentSizeLength } = layoutOf(descriptor);
  const dictionaryAt = start + 1 + (singleSegment ? 0 : 1);
  const contentSizeAt = dictionaryAt + dictionaryLength;
  const end = contentSizeAt + contentSizeLength;
  requireBytes(src, end, 0);
  if (src.subarray(dictionaryAt, contentSizeAt).some((byte) => byte !== 0)) {
    throw new DiskError(
      'unsupported',
      'codec.zstd-dictionary',
      'A zstd stream needs a dictionary, which is not part of it',
      { hint: 'Unpack the file with zstd -d -D DICTIONARY first.' },
    );
  }
  const contentBytes = readContentSize(src, contentSizeAt, contentSizeLength);
  const windowBytes = singleSegment ? contentBytes! : windowOf(src[start + 1]!);
  return { end, hasChecksum: hasAnyBit(descriptor, 0x04), contentBytes, windowBytes };
}

/** Section 3.1.1.1.1, Frame_Header_Descriptor. */
function layoutOf(descriptor: number) {
  const singleSegment = hasAnyBit(descriptor, 0x20);
  const contentSizeFlag = bitField(descriptor, 6, 2);
  return {
    singleSegment,
    dictionaryLength: DICTIONARY_ID_BYTES[bitField(descriptor, 0, 2)]!,
    contentSizeLength:
      singleSegment && contentSizeFlag === 0 ? 1 : CONTENT_SIZE_BYTES[contentSizeFlag]!,
  };
}

/** How long magic number and header are together, by the byte behind the magic number. */
export function zstdHeaderBytes(descriptor: number): number {
  const { singleSegment, dictionaryLength, contentSizeLength } = layoutOf(descriptor);
  return 5 + (singleSegment ? 0 : 1) + dictionaryLength + contentSizeLength;
}

/** Window_Descriptor, section 3.1.1.1.2. */
function windowOf(descriptor: number): number {
  const windowBase = powerOfTwo(10 + bitField(descriptor, 3, 5));
  const windowBytes = windowBase + (windowBase / 8) * bitField(descriptor, 0, 3);
  if (windowBytes <= MAX_WINDOW_BYTES) return windowBytes;
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
    const { lengthBytes, isLast } = readZstdBlock(src, at);
    at += lengthBytes;
    if (isLast) return at;
  }
}

export const ZSTD_BLOCK_HEADER_BYTES = 3;

/** The header of a block: how long it is with that header, and whether it is the frame's last. */
export function readZstdBlock(
  src: Uint8Array,
  at: number,
): { readonly lengthBytes: number; readonly isLast: boolean } {
  requireBytes(src, at, ZSTD_BLOCK_HEADER_BYTES);
  const header = readU16le(src, at) + src[at + 2]! * 0x1_0000;
  const blockType = bitField(header, 1, 2);
  const blockSize = bitField(header, 3, 21);
  if (blockType === RESERVED_BLOCK) throw brokenZstd('a block has a reserved type');
  if (blockSize > ZSTD_MAX_BLOCK_BYTES) throw brokenZstd(`a block is ${blockSize} bytes long`);
  const contentBytes = blockType === RLE_BLOCK ? 1 : blockSize;
  return { lengthBytes: ZSTD_BLOCK_HEADER_BYTES + contentBytes, isLast: hasAnyBit(header, 1) };
}

function requireBytes(src: Uint8Array, at: number, lengthBytes: number): void {
  if (at + lengthBytes > src.length) throw brokenZstd('it ends within a frame');
}

export function brokenZstd(reason: string, cause?: unknown): DiskError {
  const message = `A zstd stream is broken: ${reason}`;
  return new DiskError('corrupt', 'codec.zstd-broken', message, { cause });
}
