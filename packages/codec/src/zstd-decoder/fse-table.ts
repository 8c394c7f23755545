/** Finite State Entropy (RFC 8878, section 4.1): tables of states. */
import { brokenZstd } from '@diskfile/bytes';
import { ForwardBits } from './bit-readers.ts';

/** What each state stands for, and how the next one is found. */
export interface FseTable {
  /** There are two to the power of it states. */
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
  readonly bases: Uint16Array;
}

/** Probability of symbols that are less likely than a single state. */
const RARE = -1;
const LEAST_LOG = 5;

export interface TableLimits {
  readonly maxLog: number;
  readonly maxSymbol: number;
}

/** Section 4.1.1, "FSE Table Description". */
export function readFseTable(
  src: Uint8Array,
  start: number,
  end: number,
  { maxLog, maxSymbol }: TableLimits,
): { readonly table: FseTable; readonly end: number } {
  const bits = new ForwardBits(src, start, end);
  const log = bits.read(4) + LEAST_LOG;
  if (log > maxLog) throw brokenZstd('a table has too many states');
  const probabilities: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    if (probabilities.length > maxSymbol) throw brokenZstd('a table has too many symbols');
    const probability = readProbability(bits, left);
    probabilities.push(probability);
    left -= Math.abs(probability);
    if (probability === 0) readZeros(bits, probabilities);
  }
  if (probabilities.length > maxSymbol + 1) throw brokenZstd('a table has too many symbols');
  return { table: buildFseTable(probabilities, log), end: bits.byteEnd };
}

/** Values from 0 to `left` + 1; as many of the smaller ones as possible take a bit less. */
function readProbability(bits: ForwardBits, left: number): number {
  const most = left + 1;
  const width = 32 - Math.clz32(most);
  const shorter = (1 << width) - 1 - most;
  const low = bits.read(width - 1);
  if (low < shorter) return low - 1;
  const value = low + bits.read(1) * (1 << (width - 1));
  return (value < 1 << (width - 1) ? value : value - shorter) - 1;
}

/** Behind a zero it stands how many more follow, in steps of up to three. */
function readZeros(bits: ForwardBits, probabilities: number[]): void {
  for (;;) {
    const count = bits.read(2);
    for (let index = 0; index < count; index++) probabilities.push(0);
    if (count < 3 || probabilities.length > 256) return;
  }
}

/** Section 4.1.1, "From normalized distribution to decoding tables". */
export function buildFseTable(probabilities: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(probabilities.length);
  let highest = size - 1;
  for (const [symbol, probability] of probabilities.entries()) {
    next[symbol] = Math.abs(probability);
    if (probability === RARE) symbols[highest--] = symbol;
  }
  const step = (size >>> 1) + (size >>> 3) + 3;
  let position = 0;
  for (const [symbol, probability] of probabilities.entries()) {
    for (let index = 0; index < probability; index++) {
      symbols[position] = symbol;
      do position = (position + step) & (size - 1);
      while (position > highest);
    }
  }
  const bitCounts = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const value = next[symbols[state]!]!++;
    const count = log - (31 - Math.clz32(value));
    bitCounts[state] = count;
    bases[state] = (value << count) - size;
  }
  return { log, symbols, bitCounts, bases };
}

/** A table for one symbol, which takes no bits. */
export function singleSymbol(symbol: number): FseTable {
  return {
    log: 0,
    symbols: Uint8Array.of(symbol),
    bitCounts: new Uint8Array(1),
    bases: new Uint16Array(1),
  };
}
