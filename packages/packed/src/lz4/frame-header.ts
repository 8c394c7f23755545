/** Headers of LZ4 frames ("LZ4 Frame Format Description", version 1.6.2). */
import {
  bitField,
  DiskError,
  hasAnyBit,
  isSkippableMagic,
  readU32le,
  readU64le,
  xxh32,
} from '@diskfile/bytes';

export const LZ4_MAGIC = 0x184d_2204;
/** "Legacy frame": blocks of 8 MiB each, and no header. */
export const LEGACY_MAGIC = 0x184c_2102;
export const LEGACY_BLOCK_BYTES = 8 * 1024 * 1024;

/** Bits of FLG. */
const FLAG = { contentChecksum: 0x04, contentSize: 0x08, blockChecksum: 0x10, independent: 0x20 };
const DICTIONARY_ID = 0x01;
const RESERVED_FLAG = 0x02;
const VERSION = 1;
/** FLG, BD, Content Size, Dictionary ID and HC behind the magic number. */
export const MAX_HEADER_BYTES = 4 + 2 + 8 + 4 + 1;

export interface FrameHeader {
  readonly lengthBytes: number;
  readonly isLegacy: boolean;
  /** Most that a block of the frame holds. */
  readonly blockBytes: number;
  readonly isIndependent: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasContentChecksum: boolean;
  readonly contentBytes: number | undefined;
}

const LEGACY_HEADER: FrameHeader = {
  lengthBytes: 4,
  isLegacy: true,
  blockBytes: LEGACY_BLOCK_BYTES,
  isIndependent: true,
  hasBlockChecksums: false,
  hasContentChecksum: false,
  contentBytes: undefined,
};

export function isFrameMagic(magic: number): boolean {
  return magic === LZ4_MAGIC || magic === LEGACY_MAGIC;
}

/** Whether a file begins as one; skippable frames may come first. */
export function isLz4(head: Uint8Array): boolean {
  for (let at = 0; at + 8 <= head.length;) {
    const magic = readU32le(head, at);
    if (isFrameMagic(magic)) return true;
    if (!isSkippableMagic(magic)) return false;
    at += 8 + readU32le(head, at + 4);
  }
  return false;
}

/** @param bytes {@link MAX_HEADER_BYTES}, or as many as there are, from the magic number on */
export function readFrameHeader(bytes: Uint8Array, offset: number): FrameHeader {
  if (bytes.length >= 4 && readU32le(bytes, 0) === LEGACY_MAGIC) return LEGACY_HEADER;
  if (bytes.length < 7 || readU32le(bytes, 0) !== LZ4_MAGIC) {
    throw broken('No frame begins where one should', offset);
  }
  const flg = bytes[4]!;
  const bd = bytes[5]!;
  if (bitField(flg, 6, 2) !== VERSION || hasAnyBit(flg, RESERVED_FLAG)) {
    throw broken('A frame has a version or flags that nothing is known of', offset);
  }
  const blockSizeId = bitField(bd, 4, 3);
  if (blockSizeId < 4 || hasAnyBit(bd, 0x8f)) throw broken('A frame has no block size', offset);
  if (hasAnyBit(flg, DICTIONARY_ID)) {
    throw new DiskError('unsupported', 'lz4.dictionary', 'The frame needs a dictionary', {
      offset,
    });
  }
  const hasSize = hasAnyBit(flg, FLAG.contentSize);
  const end = 6 + (hasSize ? 8 : 0);
  if (bytes.length <= end) throw broken('The file ends within a header', offset);
  if (bytes[end] !== bitField(xxh32(bytes.subarray(4, end)), 8, 8)) {
    throw broken('The header of a frame does not fit its checksum', offset);
  }
  return {
    lengthBytes: end + 1,
    isLegacy: false,
    blockBytes: 4 ** blockSizeId * 256,
    isIndependent: hasAnyBit(flg, FLAG.independent),
    hasBlockChecksums: hasAnyBit(flg, FLAG.blockChecksum),
    hasContentChecksum: hasAnyBit(flg, FLAG.contentChecksum),
    contentBytes: hasSize ? readU64le(bytes, 6, 'Content Size') : undefined,
  };
}

export function broken(message: string, offset: number): DiskError {
  return new DiskError('corrupt', 'lz4.broken', message, {
    offset,
    hint: 'Copy or download the file anew; lz4 -t tells more.',
  });
}
