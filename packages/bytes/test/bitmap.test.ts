import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addBitmap,
  clearBitmapBits,
  isAllOnes,
  nextClearBit,
  nextSetBit,
  setBitmapBits,
  testBitmapBit,
} from '../src/index.ts';

const bytes = fc.uint8Array({ minLength: 1, maxLength: 9 });
const place = fc.nat(72);

function bitsOf(bitmap: Uint8Array): boolean[] {
  return Array.from({ length: bitmap.length * 8 }, (_, index) => testBitmapBit(bitmap, index));
}

describe('bitmaps', () => {
  it('count bits from the least significant of the first byte', () => {
    const bits = bitsOf(Uint8Array.of(0b0000_0001, 0b1000_0000));
    expect(bits.flatMap((bit, index) => (bit ? [index] : []))).toEqual([0, 15]);
  });

  it('have ranges set and cleared, and say whether that changed anything', () => {
    fc.assert(
      fc.property(bytes, place, place, fc.boolean(), (bitmap, a, b, set) => {
        const from = Math.min(a, b, bitmap.length * 8);
        const to = Math.min(Math.max(a, b), bitmap.length * 8);
        const before = bitsOf(bitmap);
        const expected = before.map((bit, index) => (index >= from && index < to ? set : bit));
        const changed = (set ? setBitmapBits : clearBitmapBits)(bitmap, from, to);
        expect(bitsOf(bitmap)).toEqual(expected);
        expect(changed).toBe(before.some((bit, index) => bit !== expected[index]));
      }),
    );
  });

  it('find the next bit that is set or clear', () => {
    fc.assert(
      fc.property(bytes, place, place, (bitmap, a, b) => {
        const from = Math.min(a, b, bitmap.length * 8);
        const to = Math.min(Math.max(a, b), bitmap.length * 8);
        const bits = bitsOf(bitmap);
        const first = (wanted: boolean) => {
          const found = bits.findIndex((bit, at) => at >= from && at < to && bit === wanted);
          return found === -1 ? to : found;
        };
        expect(nextSetBit(bitmap, from, to)).toBe(first(true));
        expect(nextClearBit(bitmap, from, to)).toBe(first(false));
      }),
    );
  });

  it('are added up', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [source, target] = a.length < b.length ? [a, b] : [b, a];
        const before = bitsOf(target);
        const expected = before.map((bit, at) => bit || (bitsOf(source)[at] ?? false));
        const changed = addBitmap(target, source);
        expect(bitsOf(target)).toEqual(expected);
        expect(changed).toBe(before.some((bit, at) => bit !== expected[at]));
      }),
    );
  });

  it('are all ones or not', () => {
    expect(isAllOnes(new Uint8Array(0))).toBe(true);
    expect(isAllOnes(Uint8Array.of(255, 255))).toBe(true);
    expect(isAllOnes(Uint8Array.of(255, 254))).toBe(false);
  });
});
