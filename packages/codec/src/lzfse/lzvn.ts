/**
 * LZVN, which LZFSE uses for short blocks. Each instruction is a byte, whose upper bits say what it
 * is, and up to two more: literals that follow (L), then a match of a length (M) from a distance (D).
 */
import { copyMatch } from '../copy-match.ts';
import { brokenLzfse } from './broken-lzfse.ts';

const END_OF_STREAM = 0x06;
const END_OF_STREAM_BYTES = 8;
const NOPS: ReadonlySet<number> = new Set([0x0e, 0x16]);
const MIN_MATCH_BYTES = 3;
const LONG_BASE = 16;

/** One instruction, taken apart; the same object is filled again and again. */
interface Instruction {
  /** How many bytes it takes, without the literals behind it. */
  lengthBytes: number;
  literalBytes: number;
  matchBytes: number;
  /** 0 to use the last one. */
  distance: number;
}

/**
 * Decodes `src` from `start` to `end`, all of it, into `dst` from `dstStart` up to `dstEnd`, all of
 * it. Matches reach back to the start of `dst`.
 */
export function decodeLzvn(
  src: Uint8Array,
  start: number,
  end: number,
  dst: Uint8Array,
  dstStart: number,
  dstEnd: number,
): void {
  const found: Instruction = { lengthBytes: 0, literalBytes: 0, matchBytes: 0, distance: 0 };
  let at = start;
  let filled = dstStart;
  let distance = 0;
  while (at < end && src[at] !== END_OF_STREAM) {
    takeApart(src, at, end, found);
    at += found.lengthBytes;
    const { literalBytes, matchBytes } = found;
    if (literalBytes > end - at) throw brokenLzfse('it ends within literals');
    if (literalBytes + matchBytes > dstEnd - filled) {
      throw brokenLzfse('a block yields more bytes than it says');
    }
    for (let index = 0; index < literalBytes; index++) dst[filled + index] = src[at + index]!;
    at += literalBytes;
    filled += literalBytes;
    if (matchBytes === 0) continue;
    if (found.distance !== 0) distance = found.distance;
    if (distance === 0 || distance > filled) throw brokenLzfse('a match reaches too far back');
    copyMatch(dst, filled, distance, matchBytes);
    filled += matchBytes;
  }
  if (at + END_OF_STREAM_BYTES !== end) throw brokenLzfse('a block does not end where it should');
  if (filled !== dstEnd) throw brokenLzfse('a block yields fewer bytes than it says');
}

function takeApart(src: Uint8Array, at: number, end: number, found: Instruction): void {
  const code = src[at]!;
  const isMedium = code >= 0xa0 && code < 0xc0;
  if (code >= 0xe0) takeApartLengths(src, at, end, found);
  else if (isMedium) takeApartMedium(src, at, end, found);
  else if (NOPS.has(code)) set(found, 1, 0, 0, 0);
  else if ((code >= 0x70 && code < 0x80) || code >= 0xd0) throw noInstruction(code);
  else takeApartMatch(src, at, end, found);
}

/** 1110LLLL or 1111MMMM, with a byte more where the four bits are zero. */
function takeApartLengths(src: Uint8Array, at: number, end: number, found: Instruction): void {
  const code = src[at]!;
  const short = code & 0x0f;
  if (short === 0) requireBytes(at, end, 2);
  const lengthBytes = short === 0 ? src[at + 1]! + LONG_BASE : short;
  const codeBytes = short === 0 ? 2 : 1;
  if (code >= 0xf0) set(found, codeBytes, 0, lengthBytes, 0);
  else set(found, codeBytes, lengthBytes, 0, 0);
}

/** 101LLMMM DDDDDDMM DDDDDDDD */
function takeApartMedium(src: Uint8Array, at: number, end: number, found: Instruction): void {
  requireBytes(at, end, 3);
  const code = src[at]!;
  const more = src[at + 1]! | (src[at + 2]! << 8);
  const matchBytes = (((code & 7) << 2) | (more & 3)) + MIN_MATCH_BYTES;
  set(found, 3, (code >>> 3) & 3, matchBytes, requireDistance(more >>> 2));
}

/** LLMMMDDD DDDDDDDD, where the D above are below 6; LLMMM110, or LLMMM111 and 16 bits of D. */
function takeApartMatch(src: Uint8Array, at: number, end: number, found: Instruction): void {
  const code = src[at]!;
  const literalBytes = code >>> 6;
  const matchBytes = ((code >>> 3) & 7) + MIN_MATCH_BYTES;
  const kind = code & 7;
  if (kind === 6) {
    // Without literals, 1111MMMM says the same.
    if (literalBytes === 0) throw noInstruction(code);
    set(found, 1, literalBytes, matchBytes, 0);
  } else if (kind === 7) {
    requireBytes(at, end, 3);
    const distance = src[at + 1]! | (src[at + 2]! << 8);
    set(found, 3, literalBytes, matchBytes, requireDistance(distance));
  } else {
    requireBytes(at, end, 2);
    set(found, 2, literalBytes, matchBytes, requireDistance((kind << 8) | src[at + 1]!));
  }
}

function set(
  found: Instruction,
  lengthBytes: number,
  literalBytes: number,
  matchBytes: number,
  distance: number,
): void {
  found.lengthBytes = lengthBytes;
  found.literalBytes = literalBytes;
  found.matchBytes = matchBytes;
  found.distance = distance;
}

function requireBytes(at: number, end: number, lengthBytes: number): void {
  if (at + lengthBytes > end) throw brokenLzfse('it ends within an instruction');
}

function requireDistance(distance: number): number {
  if (distance === 0) throw brokenLzfse('a match has no distance');
  return distance;
}

function noInstruction(code: number): Error {
  return brokenLzfse(`there is no instruction 0x${code.toString(16)}`);
}
