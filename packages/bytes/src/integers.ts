/**
 * Fixed-width integers in byte arrays, and bit fields of JavaScript numbers.
 *
 * Offsets are plain numbers, exact up to 2^53 − 1. A 64-bit field above that is no offset that any
 * file can have, so reading it as one is refused. Bitwise operators truncate to 32 bits, which is
 * why they live here and nowhere else (the linter sees to it).
 */
import { DiskError } from './disk-error.ts';

const TWO_32 = 0x1_0000_0000;

export function readU16be(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function readU16le(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function readU32be(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}

export function readU32le(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

/** Joins the halves of a 64-bit field. @throws DiskError `unsupported` above 2^53 − 1. */
export function joinU64(high: number, low: number, field: string): number {
  if (high > 0x1f_ffff) {
    throw new DiskError(
      'unsupported',
      'bytes.integer-above-2^53',
      `${field} is 0x${high.toString(16)}${low.toString(16).padStart(8, '0')}, above 2^53 - 1`,
    );
  }
  return high * TWO_32 + low;
}

/** @throws DiskError `unsupported` when the value is above 2^53 − 1; `field` names it. */
export function readU64be(bytes: Uint8Array, at: number, field: string): number {
  return joinU64(readU32be(bytes, at), readU32be(bytes, at + 4), field);
}

/** @throws DiskError `unsupported` when the value is above 2^53 − 1; `field` names it. */
export function readU64le(bytes: Uint8Array, at: number, field: string): number {
  return joinU64(readU32le(bytes, at + 4), readU32le(bytes, at), field);
}

export function writeU16le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeU16be(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeU32le(bytes: Uint8Array, at: number, value: number): void {
  writeU16le(bytes, at, value);
  writeU16le(bytes, at + 2, value >>> 16);
}

export function writeU32be(bytes: Uint8Array, at: number, value: number): void {
  writeU16be(bytes, at, value >>> 16);
  writeU16be(bytes, at + 2, value);
}

export function writeU64le(bytes: Uint8Array, at: number, value: number): void {
  writeU32le(bytes, at, value % TWO_32);
  writeU32le(bytes, at + 4, Math.floor(value / TWO_32));
}

export function writeU64be(bytes: Uint8Array, at: number, value: number): void {
  writeU32be(bytes, at, Math.floor(value / TWO_32));
  writeU32be(bytes, at + 4, value % TWO_32);
}

/** Whether any bit of `mask` is set in the 32-bit `flags`. */
export function hasAnyBit(flags: number, mask: number): boolean {
  return (flags & mask) !== 0;
}

/** The bits of the 32-bit `flags` that are in `mask`, unsigned. */
export function maskBits(flags: number, mask: number): number {
  return (flags & mask) >>> 0;
}

/** The bits of the 32-bit `flags` that are not in `mask`, unsigned. */
export function clearBits(flags: number, mask: number): number {
  return (flags & ~mask) >>> 0;
}

/** The union of two 32-bit flag words, unsigned. */
export function setBits(flags: number, mask: number): number {
  return (flags | mask) >>> 0;
}

/** Exclusive or of two 32-bit words, unsigned. */
export function xorBits(a: number, b: number): number {
  return (a ^ b) >>> 0;
}

/** Bit `index` (0 = least significant) of a 32-bit word. */
export function testBit(word: number, index: number): boolean {
  return ((word >>> index) & 1) === 1;
}

/** `width` bits of a 32-bit word, starting at bit `shift`. */
export function bitField(word: number, shift: number, width: number): number {
  return width >= 32 ? word >>> shift : (word >>> shift) & ((1 << width) - 1);
}
