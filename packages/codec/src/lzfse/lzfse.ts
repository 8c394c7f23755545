/**
 * The decoder of LZFSE, Apple's compression, after its reference implementation's description of
 * the format ("lzfse_internal.h"): blocks, each plain, in LZVN, or with finite state entropy.
 */
import { readU32le } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { parseHeaderV1, parseHeaderV2 } from './block-header.ts';
import { brokenLzfse } from './broken-lzfse.ts';
import { CompressedBlockDecoder } from './compressed-block.ts';
import { decodeLzvn } from './lzvn.ts';

/** The four bytes that a block begins with, as a little-endian number. */
const MAGIC = {
  /** bvx$ */
  end: 0x24787662,
  /** bvx- */
  plain: 0x2d787662,
  /** bvx1 */
  compressedV1: 0x31787662,
  /** bvx2 */
  compressedV2: 0x32787662,
  /** bvxn */
  lzvn: 0x6e787662,
} as const;
const MAGIC_BYTES = 4;
const PLAIN_HEADER_BYTES = 8;
const LZVN_HEADER_BYTES = 12;

/** Decodes one stream, which has to yield exactly the output and to end with an end marker. */
export class LzfseDecoder implements Decoder {
  readonly id = 'lzfse';
  readonly #compressed = new CompressedBlockDecoder();
  /** How far `dst` is filled. */
  #dstAt = 0;

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    this.#dstAt = 0;
    let at = 0;
    while (magicAt(src, at) !== MAGIC.end) at = this.#decodeBlock(src, at, dst);
    if (this.#dstAt < dst.length) {
      throw brokenLzfse(`it yields ${this.#dstAt} of ${dst.length} bytes`);
    }
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }

  /** Returns where the block ends. */
  #decodeBlock(src: Uint8Array, at: number, dst: Uint8Array): number {
    const magic = magicAt(src, at);
    if (magic === MAGIC.plain) return this.#copyPlain(src, at, dst);
    if (magic === MAGIC.lzvn) return this.#decodeLzvn(src, at, dst);
    if (magic !== MAGIC.compressedV1 && magic !== MAGIC.compressedV2) {
      throw brokenLzfse('no block begins where one should');
    }
    const header = magic === MAGIC.compressedV1 ? parseHeaderV1(src, at) : parseHeaderV2(src, at);
    const payloadAt = at + header.headerBytes;
    const start = this.#advance(dst, header.rawBytes);
    this.#compressed.decode(header, src, payloadAt, dst, start, this.#dstAt);
    return payloadAt + header.literalPayloadBytes + header.lmdPayloadBytes;
  }

  #copyPlain(src: Uint8Array, at: number, dst: Uint8Array): number {
    requireBytes(src, at, PLAIN_HEADER_BYTES);
    const lengthBytes = readU32le(src, at + 4);
    const contentAt = at + PLAIN_HEADER_BYTES;
    requireBytes(src, contentAt, lengthBytes);
    const start = this.#advance(dst, lengthBytes);
    dst.set(src.subarray(contentAt, contentAt + lengthBytes), start);
    return contentAt + lengthBytes;
  }

  #decodeLzvn(src: Uint8Array, at: number, dst: Uint8Array): number {
    requireBytes(src, at, LZVN_HEADER_BYTES);
    const payloadAt = at + LZVN_HEADER_BYTES;
    const payloadBytes = readU32le(src, at + 8);
    requireBytes(src, payloadAt, payloadBytes);
    const start = this.#advance(dst, readU32le(src, at + 4));
    decodeLzvn(src, payloadAt, payloadAt + payloadBytes, dst, start, this.#dstAt);
    return payloadAt + payloadBytes;
  }

  /** Sets room aside for a block. Returns where it begins. */
  #advance(dst: Uint8Array, lengthBytes: number): number {
    const start = this.#dstAt;
    if (lengthBytes > dst.length - start) throw brokenLzfse('it yields more bytes than it should');
    this.#dstAt = start + lengthBytes;
    return start;
  }
}

function magicAt(src: Uint8Array, at: number): number {
  requireBytes(src, at, MAGIC_BYTES);
  return readU32le(src, at);
}

function requireBytes(src: Uint8Array, at: number, lengthBytes: number): void {
  if (lengthBytes > src.length - at) throw brokenLzfse('it ends too early');
}
