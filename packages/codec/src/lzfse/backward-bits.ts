/**
 * Bits of an LZFSE payload. It is written front to back and read back to front: its bytes are one
 * little-endian number, of which the most significant bits come first.
 */
import { brokenLzfse } from './broken-lzfse.ts';

/** Bits beside those asked for that may have to be loaded, and the bytes that then are. */
const LOADED_BYTES = 4;

export class BackwardBits {
  readonly #src: Uint8Array;
  readonly #start: number;
  /** Bits that have not been read, counted from the first byte. */
  #left: number;

  /** @param unusedBits of the last byte: 0 to 7, zeros, at its top */
  constructor(src: Uint8Array, start: number, end: number, unusedBits: number) {
    // A stream has at least an end marker behind its payloads, so that four bytes can be loaded.
    if (end + LOADED_BYTES > src.length) throw brokenLzfse('it ends within a block');
    this.#src = src;
    this.#start = start;
    this.#left = (end - start) * 8 - unusedBits;
    if (this.#left < 0 || (unusedBits > 0 && src[end - 1]! >>> (8 - unusedBits) !== 0)) {
      throw brokenLzfse('a payload has no proper end');
    }
  }

  /** The next `count` bits, 25 at most. */
  read(count: number): number {
    this.#left -= count;
    const left = this.#left;
    if (left < 0) throw brokenLzfse('a payload is too short');
    const src = this.#src;
    const at = this.#start + (left >>> 3);
    const loaded = src[at]! | (src[at + 1]! << 8) | (src[at + 2]! << 16) | (src[at + 3]! << 24);
    return (loaded >>> (left & 7)) & ((1 << count) - 1);
  }
}
