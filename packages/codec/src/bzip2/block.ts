/**
 * One block of a bzip2 stream: prefix codes, move-to-front, the Burrows-Wheeler transform. What
 * comes out is still run-length encoded, see `run-lengths.ts`.
 */
import type { BitReader } from './bit-reader.ts';
import { brokenBzip2, unsupportedBzip2 } from './broken-bzip2.ts';
import { MAX_CODE_BITS, PrefixCode } from './prefix-code.ts';

const RUN_A = 0;
const RUN_B = 1;
const MIN_CODES = 2;
const MAX_CODES = 6;
/** Symbols after each of which the next prefix code is chosen. */
const GROUP_SYMBOLS = 50;

export interface Block {
  readonly crc: number;
  /** By place in the transformed block: its byte, and from bit 8 on the place of the next. */
  readonly links: Uint32Array;
  readonly lengthBytes: number;
  /** Place of the first byte; each link leads to the next one. */
  readonly first: number;
}

/** Reads the block that begins behind its magic number. `links` has room for the longest block. */
export function readBlock(bits: BitReader, links: Uint32Array): Block {
  const crc = bits.readU32();
  if (bits.read(1) === 1) throw unsupportedBzip2('is randomised, as none has been since 1997');
  const origin = bits.read(24);
  const lengthBytes = readTransformed(bits, links);
  bits.requireWithin();
  if (origin >= lengthBytes) throw brokenBzip2('a block begins outside itself');
  linkInOrder(links, lengthBytes);
  return { crc, links, lengthBytes, first: links[origin]! >>> 8 };
}

/** Fills the low bytes of `links` with the transformed block and returns how long that is. */
function readTransformed(bits: BitReader, links: Uint32Array): number {
  const bytesInUse = readBytesInUse(bits);
  const endOfBlock = bytesInUse.length + 1;
  const codeCount = bits.read(3);
  if (codeCount < MIN_CODES || codeCount > MAX_CODES) throw brokenBzip2('it has no prefix codes');
  const selectors = readSelectors(bits, codeCount);
  const codes = Array.from({ length: codeCount }, () => readCode(bits, endOfBlock + 1));
  const order = bytesInUse;
  let filled = 0;
  let run = 0;
  let runUnit = 1;
  for (const selector of selectors) {
    const code = codes[selector]!;
    for (let count = 0; count < GROUP_SYMBOLS; count++) {
      const symbol = code.decode(bits);
      if (symbol <= RUN_B) {
        // Digits of the run's length, to the base of two, where they are one and two.
        run += symbol === RUN_A ? runUnit : runUnit * 2;
        runUnit *= 2;
        if (run > links.length - filled) throw brokenBzip2('a block is too long');
        continue;
      }
      if (run > 0) {
        links.fill(order[0]!, filled, filled + run);
        filled += run;
        run = 0;
        runUnit = 1;
      }
      if (symbol === endOfBlock) return filled;
      if (filled === links.length) throw brokenBzip2('a block is too long');
      links[filled++] = moveToFront(order, symbol - 1);
    }
  }
  throw brokenBzip2('a block has no end');
}

function moveToFront(order: Uint8Array, place: number): number {
  const byte = order[place]!;
  if (place < 16) for (let at = place; at > 0; at--) order[at] = order[at - 1]!;
  else order.copyWithin(1, 0, place);
  order[0] = byte;
  return byte;
}

/** Which bytes occur, by two levels of bit maps, in ascending order. */
function readBytesInUse(bits: BitReader): Uint8Array {
  const rows = bits.read(16);
  const bytes: number[] = [];
  for (let row = 0; row < 16; row++) {
    if (((rows >>> (15 - row)) & 1) === 0) continue;
    const columns = bits.read(16);
    for (let column = 0; column < 16; column++) {
      if (((columns >>> (15 - column)) & 1) === 1) bytes.push(row * 16 + column);
    }
  }
  if (bytes.length === 0) throw brokenBzip2('a block holds no bytes');
  return Uint8Array.from(bytes);
}

/** Which code the symbols of each group have, itself moved to the front. */
function readSelectors(bits: BitReader, codeCount: number): Uint8Array {
  const count = bits.read(15);
  if (count === 0) throw brokenBzip2('a block has no symbols');
  const order = Uint8Array.from({ length: codeCount }, (_, index) => index);
  const selectors = new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    let place = 0;
    while (bits.read(1) === 1) {
      place += 1;
      if (place === codeCount) throw brokenBzip2('a group has no prefix code');
    }
    selectors[index] = moveToFront(order, place);
  }
  bits.requireWithin();
  return selectors;
}

/** The lengths of a code's symbols, each as its difference from the one before. */
function readCode(bits: BitReader, symbolCount: number): PrefixCode {
  const lengths = new Uint8Array(symbolCount);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw brokenBzip2('a prefix code is too long');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  bits.requireWithin();
  return new PrefixCode(lengths);
}

/**
 * Undoes the transform: puts into bit 8 and up of each link where the byte that follows is. Bytes
 * sorted are the first column of the matrix, and the n-th of a value there is the n-th in the last.
 */
function linkInOrder(links: Uint32Array, lengthBytes: number): void {
  const next = new Uint32Array(256);
  for (let at = 0; at < lengthBytes; at++) next[links[at]! & 0xff]! += 1;
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = next[byte]!;
    next[byte] = sum;
    sum += count;
  }
  for (let at = 0; at < lengthBytes; at++) {
    const byte = links[at]! & 0xff;
    const sorted = next[byte]!;
    next[byte] = sorted + 1;
    links[sorted] = (links[sorted]! & 0xff) | (at << 8);
  }
}
