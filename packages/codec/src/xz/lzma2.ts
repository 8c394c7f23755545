/**
 * LZMA2 (".xz file format", section 5.3.1): LZMA in chunks, some of which are stored plainly. A
 * stream can be left and gone on with between any two chunks.
 */
import { readU16be } from '@diskfile/bytes';
import { brokenXz } from './broken-xz.ts';
import { LzmaDecoder } from './lzma.ts';

const END = 0x00;
const PLAIN_AFTER_RESET = 0x01;
const PLAIN = 0x02;
const LZMA = 0x80;

/** What a chunk resets before it: bits 5 and 6 of its first byte. */
const RESETS_STATE = 1;
const HAS_PROPERTIES = 2;
const RESETS_DICTIONARY = 3;

export class Lzma2Decoder {
  readonly #lzma = new LzmaDecoder();
  #needsDictionary = true;
  #needsProperties = true;
  /** Where in `dst` the dictionary begins: no match reaches further back. */
  #dictionaryStart = 0;
  /** Where the next chunk is in `src`; after the last, where the stream has ended. */
  srcAt = 0;
  /** How far `dst` is filled. */
  dstAt = 0;

  /** Begins a stream at the given places. */
  start(srcAt: number, dstAt: number): void {
    this.srcAt = srcAt;
    this.dstAt = dstAt;
    this.#needsDictionary = this.#needsProperties = true;
  }

  /**
   * Decodes the next chunk.
   * @returns false where the stream ends instead
   * @throws DiskError `corrupt` when the chunk is broken or there is no room for all of it
   */
  decodeChunk(src: Uint8Array, dst: Uint8Array): boolean {
    if (this.srcAt >= src.length) throw brokenXz('it ends within a block');
    const control = src[this.srcAt]!;
    if (control === END) {
      this.srcAt += 1;
      return false;
    }
    if (control >= LZMA) this.#decodeLzma(src, dst, control);
    else this.#copyPlain(src, dst, control);
    return true;
  }

  #copyPlain(src: Uint8Array, dst: Uint8Array, control: number): void {
    if (control > PLAIN) throw brokenXz('there is no such kind of chunk');
    const start = this.srcAt + 3;
    if (start > src.length) throw brokenXz('it ends within a chunk');
    const end = start + readU16be(src, this.srcAt + 1) + 1;
    if (end > src.length) throw brokenXz('it ends within a chunk');
    if (control === PLAIN_AFTER_RESET) this.#resetDictionary();
    else if (this.#needsDictionary) throw brokenXz('its first chunk goes on with another');
    const dstEnd = this.#roomFor(dst, end - start);
    dst.set(src.subarray(start, end), this.dstAt);
    this.srcAt = end;
    this.dstAt = dstEnd;
  }

  #decodeLzma(src: Uint8Array, dst: Uint8Array, control: number): void {
    const reset = (control >>> 5) & 3;
    const header = this.srcAt;
    const start = header + (reset >= HAS_PROPERTIES ? 6 : 5);
    if (start > src.length) throw brokenXz('it ends within a chunk');
    const lengthBytes = ((control & 0x1f) << 16) + readU16be(src, header + 1) + 1;
    const end = start + readU16be(src, header + 3) + 1;
    if (end > src.length) throw brokenXz('it ends within a chunk');
    if (reset === RESETS_DICTIONARY) this.#resetDictionary();
    if (reset >= HAS_PROPERTIES) {
      this.#lzma.setProperties(src[header + 5]!);
      this.#needsProperties = false;
    }
    if (this.#needsDictionary || this.#needsProperties) {
      throw brokenXz('its first chunk goes on with another');
    }
    if (reset >= RESETS_STATE) this.#lzma.resetState();
    const dstEnd = this.#roomFor(dst, lengthBytes);
    this.#lzma.decode(src, start, end, dst, this.dstAt, dstEnd, this.#dictionaryStart);
    this.srcAt = end;
    this.dstAt = dstEnd;
  }

  #resetDictionary(): void {
    this.#dictionaryStart = this.dstAt;
    this.#needsDictionary = false;
    this.#needsProperties = true;
  }

  #roomFor(dst: Uint8Array, lengthBytes: number): number {
    if (lengthBytes > dst.length - this.dstAt) {
      throw brokenXz('it yields more bytes than it should');
    }
    return this.dstAt + lengthBytes;
  }
}
