/**
 * LZMA2 (".xz file format", section 5.3.1): LZMA in chunks, some of which are stored plainly. A
 * stream can be left and gone on with between any two chunks.
 */
import { readU16be } from '@diskfile/bytes';
import { brokenXz } from './broken-xz.ts';
import { LzmaDecoder, type LzmaState } from './lzma.ts';

const END = 0x00;
const PLAIN_AFTER_RESET = 0x01;
const PLAIN = 0x02;
const LZMA = 0x80;

/** What a chunk resets before it: bits 5 and 6 of its first byte. */
const RESETS_STATE = 1;
const HAS_PROPERTIES = 2;
const RESETS_DICTIONARY = 3;

/** Where a stream stands between two chunks. */
export interface Lzma2State {
  readonly lzma: LzmaState | undefined;
  readonly needsDictionary: boolean;
  readonly needsProperties: boolean;
  /** How far back the dictionary began. */
  readonly dictionaryAge: number;
}

/**
 * How many bytes of `src` from `start` on the chunk there takes, or how many have to be there to
 * tell. The end of a stream takes one.
 */
export function chunkLengthBytes(src: Uint8Array, start: number, end: number): number {
  if (start === end) return 1;
  const control = src[start]!;
  if (control === END) return 1;
  if (control < LZMA) {
    return end - start < PLAIN_HEADER_BYTES
      ? PLAIN_HEADER_BYTES
      : PLAIN_HEADER_BYTES + readU16be(src, start + 1) + 1;
  }
  const headerBytes = lzmaHeaderBytes(control);
  if (end - start < headerBytes) return headerBytes;
  return headerBytes + readU16be(src, start + 3) + 1;
}

const PLAIN_HEADER_BYTES = 3;

/** With the properties, where there are any. */
function lzmaHeaderBytes(control: number): number {
  return resetOf(control) >= HAS_PROPERTIES ? 6 : 5;
}

function resetOf(control: number): number {
  return (control >>> 5) & 3;
}

export class Lzma2Decoder {
  readonly #lzma = new LzmaDecoder();
  #needsDictionary = true;
  #needsProperties = true;
  /**
   * Where in `dst` the dictionary begins: no match reaches further back. Negative where `dst` no
   * longer holds its beginning.
   */
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

  saveState(): Lzma2State {
    return {
      lzma: this.#needsProperties ? undefined : this.#lzma.saveState(),
      needsDictionary: this.#needsDictionary,
      needsProperties: this.#needsProperties,
      dictionaryAge: this.dstAt - this.#dictionaryStart,
    };
  }

  /** Goes on behind bytes that `dst` holds up to `dstAt`. */
  restoreState(state: Lzma2State, dstAt: number): void {
    this.srcAt = 0;
    this.dstAt = dstAt;
    if (state.lzma !== undefined) this.#lzma.restoreState(state.lzma);
    this.#needsDictionary = state.needsDictionary;
    this.#needsProperties = state.needsProperties;
    this.#dictionaryStart = dstAt - state.dictionaryAge;
  }

  /** Says that all in `dst` has been moved to the front. */
  moveBack(lengthBytes: number): void {
    this.dstAt -= lengthBytes;
    this.#dictionaryStart -= lengthBytes;
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
    const start = this.srcAt + PLAIN_HEADER_BYTES;
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
    const reset = resetOf(control);
    const header = this.srcAt;
    const start = header + lzmaHeaderBytes(control);
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
