/** One of the prefix codes ("Huffman tables") of a bzip2 block. */
import type { BitReader } from './bit-reader.ts';
import { brokenBzip2 } from './broken-bzip2.ts';

export const MAX_CODE_BITS = 20;
/** Codes up to this long are found at once; longer ones are rare. */
const DIRECT_BITS = 10;

/** Canonical: codes of one length follow each other, in the order of their symbols. */
export class PrefixCode {
  /** By the next {@link DIRECT_BITS} bits: symbol * 32 + length, or 0 for longer codes. */
  readonly #direct = new Uint16Array(1 << DIRECT_BITS);
  /** By length: one more than the last code of that length, or of all shorter ones. */
  readonly #limits = new Int32Array(MAX_CODE_BITS + 1);
  /** By length: what to add to a code for its place in {@link #symbols}. */
  readonly #bases = new Int32Array(MAX_CODE_BITS + 1);
  readonly #symbols: Uint16Array;

  /** @param lengths of each symbol's code in bits, from 1 to {@link MAX_CODE_BITS} */
  constructor(lengths: Uint8Array) {
    const counts = new Uint16Array(MAX_CODE_BITS + 2);
    for (const length of lengths) counts[length]! += 1;
    this.#symbols = new Uint16Array(lengths.length);
    let code = 0;
    let placed = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      this.#bases[length] = placed - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        this.#fillDirect(symbol, code, length);
        this.#symbols[placed++] = symbol;
        code += 1;
      }
      if (code > 1 << length) throw brokenBzip2('a prefix code has too many symbols');
      this.#limits[length] = code;
      code *= 2;
    }
  }

  #fillDirect(symbol: number, code: number, length: number): void {
    if (length > DIRECT_BITS) return;
    const first = code << (DIRECT_BITS - length);
    this.#direct.fill(symbol * 32 + length, first, first + (1 << (DIRECT_BITS - length)));
  }

  decode(bits: BitReader): number {
    const found = this.#direct[bits.peek(DIRECT_BITS)]!;
    if (found !== 0) {
      bits.skip(found & 31);
      return found >>> 5;
    }
    return this.#decodeLong(bits);
  }

  #decodeLong(bits: BitReader): number {
    const next = bits.peek(MAX_CODE_BITS);
    for (let length = DIRECT_BITS + 1; length <= MAX_CODE_BITS; length++) {
      const code = next >>> (MAX_CODE_BITS - length);
      if (code < this.#limits[length]!) {
        bits.skip(length);
        return this.#symbols[code + this.#bases[length]!]!;
      }
    }
    throw brokenBzip2('there is no such code');
  }
}
