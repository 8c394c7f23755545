/** Bitmaps in byte arrays, least significant bit first within each byte. */
import { isAllZero } from './zeros.ts';

/** Bit `index` of a bitmap. */
export function testBitmapBit(bitmap: Uint8Array, index: number): boolean {
  return ((bitmap[Math.floor(index / 8)]! >>> (index % 8)) & 1) === 1;
}

/** Sets bits `from` to before `to`. Returns whether any of them was clear. */
export function setBitmapBits(bitmap: Uint8Array, from: number, to: number): boolean {
  return changeBits(bitmap, from, to, setMask, 0xff);
}

/** Clears bits `from` to before `to`. Returns whether any of them was set. */
export function clearBitmapBits(bitmap: Uint8Array, from: number, to: number): boolean {
  return changeBits(bitmap, from, to, clearMask, 0);
}

function setMask(byte: number, mask: number): number {
  return byte | mask;
}

function clearMask(byte: number, mask: number): number {
  return byte & ~mask;
}

function changeBits(
  bitmap: Uint8Array,
  from: number,
  to: number,
  apply: (byte: number, mask: number) => number,
  whole: number,
): boolean {
  let changed = false;
  for (let at = from; at < to;) {
    const index = Math.floor(at / 8);
    const end = Math.min(to, (index + 1) * 8);
    const before = bitmap[index]!;
    const bits = end - at;
    const after = bits === 8 ? whole : apply(before, ((1 << bits) - 1) << (at % 8));
    if (after !== before) {
      bitmap[index] = after;
      changed = true;
    }
    at = end;
  }
  return changed;
}

/** The first bit that is set, from `from` to before `to`; `to` when there is none. */
export function nextSetBit(bitmap: Uint8Array, from: number, to: number): number {
  return nextBit(bitmap, from, to, 0);
}

/** The first bit that is clear, from `from` to before `to`; `to` when there is none. */
export function nextClearBit(bitmap: Uint8Array, from: number, to: number): number {
  return nextBit(bitmap, from, to, 0xff);
}

/** @param skipped the byte that holds no bit of the kind looked for */
function nextBit(bitmap: Uint8Array, from: number, to: number, skipped: number): number {
  let at = from;
  while (at < to) {
    const byte = bitmap[Math.floor(at / 8)]! ^ skipped;
    const rest = byte >>> (at % 8);
    if (rest !== 0) return Math.min(to, at + trailingZeros(rest));
    at += 8 - (at % 8);
  }
  return to;
}

function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value);
}

/** Adds the bits of `source` to `target`, which is at least as long. */
export function addBitmap(target: Uint8Array, source: Uint8Array): boolean {
  if (isAllZero(source)) return false;
  let changed = 0;
  for (let at = 0; at < source.length; at++) {
    const before = target[at]!;
    const after = before | source[at]!;
    changed |= before ^ after;
    target[at] = after;
  }
  return changed !== 0;
}

/** True for a byte array that holds only ones; empty counts as ones. */
export function isAllOnes(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0xff) return false;
  return true;
}
