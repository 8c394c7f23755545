/**
 * The range decoder of LZMA, and the probabilities that it works with ("LZMA specification", parts
 * "Range Decoder" and "Bit Tree"). Range and code are kept as signed 32-bit numbers, which the
 * engine holds in registers, and compared as unsigned ones.
 */
import { brokenXz } from './broken-xz.ts';

const PROBABILITY_BITS = 11;
const MOVE_BITS = 5;
const TOP = 0x0100_0000;
const EVEN = 1 << (PROBABILITY_BITS - 1);

/** Adaptive probabilities of bits; each begins at one half. */
export type Probabilities = Uint16Array;

export function resetProbabilities(probabilities: Probabilities): void {
  probabilities.fill(EVEN);
}

export class RangeDecoder {
  #src: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #range = 0;
  #code = 0;

  /** Begins with the bytes from `start` to `end`; the first of them is 0, four make up the code. */
  start(src: Uint8Array, start: number, end: number): void {
    if (end - start < 5 || src[start] !== 0) throw brokenXz('a chunk begins wrongly');
    this.#src = src;
    this.#at = start + 5;
    this.#end = end;
    this.#range = -1;
    this.#code = 0;
    for (let at = start + 1; at < start + 5; at++) this.#code = (this.#code << 8) | src[at]!;
  }

  /** @throws DiskError `corrupt` unless all bytes have been used and the code has come out even. */
  finish(): void {
    this.#normalise();
    if (this.#at !== this.#end || this.#code !== 0) throw brokenXz('a chunk ends wrongly');
  }

  /** The next bit, by a probability that learns from it. */
  bit(probabilities: Probabilities, index: number): number {
    if (this.#range >>> 0 < TOP) this.#shift();
    const probability = probabilities[index]!;
    const bound = Math.imul(this.#range >>> PROBABILITY_BITS, probability);
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound;
      probabilities[index] = probability + (((1 << PROBABILITY_BITS) - probability) >> MOVE_BITS);
      return 0;
    }
    this.#range = (this.#range - bound) | 0;
    this.#code = (this.#code - bound) | 0;
    probabilities[index] = probability - (probability >> MOVE_BITS);
    return 1;
  }

  /** `count` bits by a tree of probabilities at `base`, most significant bit first. */
  tree(probabilities: Probabilities, base: number, count: number): number {
    return this.goDown(probabilities, base, 1, 1 << count) - (1 << count);
  }

  /**
   * Goes down a tree of probabilities at `base` from `node` to the level that begins at `leaves`.
   * Most bits are read here, so what {@link bit} does is written out, with range and code at hand.
   */
  goDown(probabilities: Probabilities, base: number, node: number, leaves: number): number {
    let range = this.#range;
    let code = this.#code;
    let at = node;
    while (at < leaves) {
      if (range >>> 0 < TOP) {
        code = (code << 8) | this.#nextByte();
        range <<= 8;
      }
      const probability = probabilities[base + at]!;
      const bound = Math.imul(range >>> PROBABILITY_BITS, probability);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        probabilities[base + at] =
          probability + (((1 << PROBABILITY_BITS) - probability) >> MOVE_BITS);
        at <<= 1;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probabilities[base + at] = probability - (probability >> MOVE_BITS);
        at = (at << 1) | 1;
      }
    }
    this.#range = range;
    this.#code = code;
    return at;
  }

  /** `count` bits by a tree of probabilities at `base`, least significant bit first. */
  reverseTree(probabilities: Probabilities, base: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let level = 0; level < count; level++) {
      const bit = this.bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << level;
    }
    return value;
  }

  /** `count` bits that are as likely one as zero. */
  direct(count: number): number {
    let value = 0;
    for (let level = 0; level < count; level++) {
      this.#normalise();
      this.#range >>>= 1;
      const bit = this.#code >>> 0 >= this.#range >>> 0 ? 1 : 0;
      if (bit === 1) this.#code = (this.#code - this.#range) | 0;
      value = (value << 1) | bit;
    }
    return value;
  }

  #normalise(): void {
    if (this.#range >>> 0 < TOP) this.#shift();
  }

  #shift(): void {
    this.#code = (this.#code << 8) | this.#nextByte();
    this.#range <<= 8;
  }

  /** Past the end zeros come in; the chunk is then refused at its end, after bounded work. */
  #nextByte(): number {
    const at = this.#at++;
    return at < this.#end ? this.#src[at]! : 0;
  }
}
