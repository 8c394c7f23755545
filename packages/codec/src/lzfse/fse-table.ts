/**
 * Tables of a finite state entropy decoder: what a state stands for, and how many bits lead from
 * where to the next state. A symbol has as many states as its frequency, one behind the other.
 */
import type { BackwardBits } from './backward-bits.ts';
import { brokenLzfse } from './broken-lzfse.ts';

/** In each word: bits to read, value bits among them, and from bit 16 on the next state's base. */
const VALUE_BITS_SHIFT = 8;
const BASE_SHIFT = 16;
const BITS_MASK = 0xff;

/** What symbols of a kind stand for: a base and some bits that are added to it. */
export interface ValueCode {
  readonly bases: readonly number[];
  readonly bits: readonly number[];
}

export class FseTable {
  readonly #words: Uint32Array;
  readonly #values: Uint32Array;
  readonly #stateCount: number;

  /** @param stateCount a power of two */
  constructor(stateCount: number) {
    this.#stateCount = stateCount;
    this.#words = new Uint32Array(stateCount);
    this.#values = new Uint32Array(stateCount);
  }

  /**
   * Lays the table out.
   * @param code undefined where symbols are what they stand for
   * @throws DiskError `corrupt` unless the frequencies add up to the count of states
   */
  fill(frequencies: Uint16Array, code: ValueCode | undefined): void {
    const stateCount = this.#stateCount;
    let state = 0;
    for (let symbol = 0; symbol < frequencies.length; symbol++) {
      const frequency = frequencies[symbol]!;
      if (frequency === 0) continue;
      if (frequency > stateCount - state) throw brokenLzfse('there are more symbols than states');
      const valueBits = code?.bits[symbol] ?? 0;
      const value = code?.bases[symbol] ?? symbol;
      // So many bits that the states they lead to, all of this symbol's together, fill the table.
      const longBits = Math.clz32(frequency) - Math.clz32(stateCount);
      const longCount = ((2 * stateCount) >>> longBits) - frequency;
      for (let index = 0; index < frequency; index++) {
        const isLong = index < longCount;
        const bits = isLong ? longBits : longBits - 1;
        const base = isLong
          ? ((frequency + index) << longBits) - stateCount
          : (index - longCount) << bits;
        this.#words[state] =
          (base << BASE_SHIFT) | (valueBits << VALUE_BITS_SHIFT) | (bits + valueBits);
        this.#values[state] = value;
        state += 1;
      }
    }
    if (state !== stateCount) throw brokenLzfse('there are fewer symbols than states');
  }

  /** What `state` stands for, without its value bits. */
  valueOf(state: number): number {
    return this.#values[state]!;
  }

  /** Reads the bits behind `state`: returns the next state, and leaves the value in `extra`. */
  next(state: number, bits: BackwardBits): number {
    const word = this.#words[state]!;
    const read = bits.read(word & BITS_MASK);
    const valueBits = (word >>> VALUE_BITS_SHIFT) & BITS_MASK;
    this.extra = read & ((1 << valueBits) - 1);
    return (word >>> BASE_SHIFT) + (read >>> valueBits);
  }

  /** The value bits of the last {@link next}. */
  extra = 0;
}
