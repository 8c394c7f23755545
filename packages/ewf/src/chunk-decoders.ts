/** How chunks become sectors. Both kinds end in the Adler-32 of the sectors. */
import { adler32, DiskError, hasAnyBit, readU32be, readU32le } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';

const CHECKSUM_BYTES = 4;
/** RFC 1950, section 2.2: the two bytes that a zlib stream begins with. */
const ZLIB_HEADER_BYTES = 2;
const DEFLATE_METHOD = 8;
const PRESET_DICTIONARY = 0x20;
/** Chunks that are followed by something else before the next one; nobody is known to do so. */
const SEARCHED_BYTES = 64;

function brokenChunk(detail: string, why: string): DiskError {
  return new DiskError('corrupt', detail, `A chunk of the image is damaged: ${why}`, {
    hint: 'checkDiskFile() tells which parts of the disk are damaged.',
  });
}

/** Sectors as they are, and their checksum. */
export const plainChunk: Decoder = {
  id: 'ewf-plain',
  decodeSync(src, dst) {
    const sectors = src.subarray(0, dst.length);
    if (src.length < dst.length + CHECKSUM_BYTES) {
      throw brokenChunk('ewf.chunk-short', 'it is too short');
    }
    if (adler32(sectors) !== readU32le(src, dst.length)) {
      throw brokenChunk('ewf.chunk-checksum', 'it does not fit its checksum');
    }
    dst.set(sectors);
  },
  async decode(src, dst) {
    this.decodeSync(src, dst);
  },
};

/** A zlib stream (RFC 1950). */
export class CompressedChunk implements Decoder {
  readonly id = 'ewf-zlib';
  readonly #inflate: Decoder;

  constructor(inflate: Decoder) {
    this.#inflate = inflate;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    this.#inflate.decodeSync(withoutHeader(src), dst);
    checkSum(src, dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    await this.#inflate.decode(withoutHeader(src), dst);
    checkSum(src, dst);
  }
}

function withoutHeader(src: Uint8Array): Uint8Array {
  const [cmf = 0, flg = 0] = src;
  const isHeader = cmf % 16 === DEFLATE_METHOD && (cmf * 256 + flg) % 31 === 0;
  if (!isHeader || hasAnyBit(flg, PRESET_DICTIONARY)) {
    throw brokenChunk('ewf.chunk-header', 'it does not begin as compressed data does');
  }
  return src.subarray(ZLIB_HEADER_BYTES);
}

function checkSum(src: Uint8Array, dst: Uint8Array): void {
  const expected = adler32(dst);
  const last = src.length - CHECKSUM_BYTES;
  const first = Math.max(ZLIB_HEADER_BYTES, last - SEARCHED_BYTES);
  for (let at = last; at >= first; at--) {
    if (readU32be(src, at) === expected) return;
  }
  throw brokenChunk('ewf.chunk-checksum', 'it does not fit its checksum');
}
