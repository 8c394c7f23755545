/**
 * zlib streams (RFC 1950): a header of two bytes, then deflate. Like that, a unit is good once its
 * output is full; the checksum behind it, whose place a decoder of deflate does not tell, is left
 * aside. Formats that use zlib have checksums of their own.
 */
import { DiskError, hasAnyBit, readU16be } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';

const HEADER_BYTES = 2;
const CHECK_MODULUS = 31;
/** Compression method, and a window of 32 KiB at most: the lower and upper half of the first byte. */
const DEFLATE = 8;
const MAX_WINDOW_CODE = 7;
const PRESET_DICTIONARY = 0x20;

export class ZlibDecoder implements Decoder {
  readonly id = 'zlib';
  readonly #deflate: Decoder;

  /** @param deflate the decoder of raw deflate */
  constructor(deflate: Decoder) {
    this.#deflate = deflate;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    checkHeader(src);
    this.#deflate.decodeSync(src.subarray(HEADER_BYTES), dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    checkHeader(src);
    await this.#deflate.decode(src.subarray(HEADER_BYTES), dst);
  }
}

function checkHeader(src: Uint8Array): void {
  const [first = 0, second = 0] = src;
  const isZlib =
    src.length >= HEADER_BYTES &&
    first % 16 === DEFLATE &&
    first / 16 < MAX_WINDOW_CODE + 1 &&
    readU16be(src, 0) % CHECK_MODULUS === 0 &&
    !hasAnyBit(second, PRESET_DICTIONARY);
  if (isZlib) return;
  throw new DiskError('corrupt', 'codec.zlib-header', 'A zlib stream does not begin as one');
}
