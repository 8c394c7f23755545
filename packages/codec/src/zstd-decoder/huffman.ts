/** Huffman coding of literals (RFC 8878, section 4.2). */
import { brokenZstd } from '@diskfile/bytes';
import { BackwardBits } from './bit-readers.ts';
import { readFseTable } from './fse-table.ts';

/** Symbol and length of the code that begins with some bits. */
export interface HuffmanTable {
  readonly maxBits: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
}

const MAX_BITS = 11;
const MAX_SYMBOLS = 256;
const WEIGHT_LIMITS = { maxLog: 6, maxSymbol: 12 } as const;
/** From this header on weights are not compressed. */
const DIRECT = 128;

/** Section 4.2.1, "Huffman Tree Description". */
export function readHuffmanTable(
  src: Uint8Array,
  start: number,
  end: number,
): { readonly table: HuffmanTable; readonly end: number } {
  if (start >= end) throw brokenZstd('literals have no table');
  const header = src[start]!;
  const weights: number[] = [];
  let at = start + 1;
  if (header >= DIRECT) {
    const count = header - DIRECT + 1;
    const bytes = Math.ceil(count / 2);
    if (at + bytes > end) throw brokenZstd('a table of literals is cut');
    for (let index = 0; index < count; index++) {
      const byte = src[at + (index >>> 1)]!;
      weights.push(index % 2 === 0 ? byte >>> 4 : byte & 15);
    }
    at += bytes;
  } else {
    if (at + header > end) throw brokenZstd('a table of literals is cut');
    readWeights(src, at, at + header, weights);
    at += header;
  }
  return { table: buildTable(weights), end: at };
}

/** Two states take turns; the one that runs out of bits leaves the last weight to the other. */
function readWeights(src: Uint8Array, start: number, end: number, weights: number[]): void {
  const { table, end: streamAt } = readFseTable(src, start, end, WEIGHT_LIMITS);
  const bits = new BackwardBits();
  bits.begin(src, streamAt, end);
  let state = bits.read(table.log);
  let other = bits.read(table.log);
  if (bits.left < 0) throw brokenZstd('a table of literals is cut');
  for (;;) {
    weights.push(table.symbols[state]!);
    if (weights.length > MAX_SYMBOLS) throw brokenZstd('a table of literals is too long');
    const count = table.bitCounts[state]!;
    if (bits.left < count) {
      weights.push(table.symbols[other]!);
      return;
    }
    const next = table.bases[state]! + bits.read(count);
    state = other;
    other = next;
  }
}

/** The last weight is not written: it makes the sum a power of two. */
function buildTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > MAX_BITS) throw brokenZstd('a code of literals is too long');
    if (weight > 0) sum += 1 << (weight - 1);
  }
  if (sum === 0 || weights.length >= MAX_SYMBOLS) throw brokenZstd('a table of literals is none');
  const maxBits = 32 - Math.clz32(sum);
  const left = (1 << maxBits) - sum;
  if (maxBits > MAX_BITS || (left & (left - 1)) !== 0) {
    throw brokenZstd('a table of literals is not complete');
  }
  weights.push(32 - Math.clz32(left));
  const symbols = new Uint8Array(1 << maxBits);
  const bitCounts = new Uint8Array(1 << maxBits);
  let at = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    const span = 1 << (weight - 1);
    for (const [symbol, each] of weights.entries()) {
      if (each !== weight) continue;
      symbols.fill(symbol, at, at + span);
      bitCounts.fill(maxBits + 1 - weight, at, at + span);
      at += span;
    }
  }
  return { maxBits, symbols, bitCounts };
}

const bits = new BackwardBits();

/** Section 4.2.2: one stream, which has to yield `dst` to the bit. */
export function decodeHuffman(
  { maxBits, symbols, bitCounts }: HuffmanTable,
  src: Uint8Array,
  start: number,
  end: number,
  dst: Uint8Array,
): void {
  bits.begin(src, start, end);
  for (let at = 0; at < dst.length; at++) {
    const code = bits.peek(maxBits);
    dst[at] = symbols[code]!;
    bits.left -= bitCounts[code]!;
    if (bits.left < 0) break;
  }
  if (bits.left !== 0) throw brokenZstd('literals do not end where they should');
}
