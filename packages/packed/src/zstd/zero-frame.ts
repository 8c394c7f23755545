/** Frames of zeros, made without an encoder (RFC 8878, section 3.1.1): what a new disk consists of. */
import { writeU32le, xxh64Low, ZSTD_MAGIC, ZSTD_MAX_BLOCK_BYTES } from '@diskfile/bytes';

/** Frame_Header_Descriptor: Single_Segment_Flag, Content_Checksum_Flag, a content size of 4 bytes. */
const DESCRIPTOR = 0x80 + 0x20 + 0x04;
const HEADER_BYTES = 9;
/** Block_Type values. */
const RAW_BLOCK = 0;
const RLE_BLOCK = 1;
const CHECKSUM_BYTES = 4;

/** @param contentBytes below 4 GiB */
export function zeroFrame(contentBytes: number): Uint8Array {
  const blocks = blocksOf(contentBytes);
  const frame = new Uint8Array(HEADER_BYTES + blocks.length + CHECKSUM_BYTES);
  writeU32le(frame, 0, ZSTD_MAGIC);
  frame[4] = DESCRIPTOR;
  writeU32le(frame, 5, contentBytes);
  frame.set(blocks, HEADER_BYTES);
  writeU32le(frame, HEADER_BYTES + blocks.length, xxh64Low(new Uint8Array(contentBytes)));
  return frame;
}

/** Each block of zeros is one of them and how often it stands there. */
function blocksOf(contentBytes: number): number[] {
  if (contentBytes === 0) return blockHeader(RAW_BLOCK, 0, true);
  const blocks: number[] = [];
  for (let left = contentBytes; left > 0; left -= ZSTD_MAX_BLOCK_BYTES) {
    const size = Math.min(left, ZSTD_MAX_BLOCK_BYTES);
    blocks.push(...blockHeader(RLE_BLOCK, size, size === left), 0);
  }
  return blocks;
}

/** Section 3.1.1.2. */
function blockHeader(type: number, size: number, isLast: boolean): number[] {
  const header = (isLast ? 1 : 0) + type * 2 + size * 8;
  return [header % 256, Math.floor(header / 256) % 256, Math.floor(header / 65_536)];
}
