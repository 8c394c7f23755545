import fc from 'fast-check';
import { expect, it } from 'vitest';
import { alignDown, alignUp, divideUp, isAligned, isPowerOfTwo, powerOfTwo } from '../src/index.ts';

const alignment = fc.integer({ min: 1, max: 2 ** 31 });
const offset = fc.integer({ min: 0, max: 2 ** 52 });

it('rounds to the neighbouring multiples, far above 32 bits too', () => {
  fc.assert(
    fc.property(offset, alignment, (value, step) => {
      const down = alignDown(value, step);
      const up = alignUp(value, step);
      expect(BigInt(down) % BigInt(step)).toBe(0n);
      expect(BigInt(up) % BigInt(step)).toBe(0n);
      expect(down).toBeLessThanOrEqual(value);
      expect(up).toBeGreaterThanOrEqual(value);
      expect(up - down).toBe(isAligned(value, step) ? 0 : step);
    }),
  );
});

it('divides upwards', () => {
  expect([0, 1, 511, 512, 513].map((value) => divideUp(value, 512))).toEqual([0, 1, 1, 1, 2]);
});

it('knows the powers of two', () => {
  const exponents = Array.from({ length: 53 }, (_, exponent) => exponent);
  for (const exponent of exponents) expect(isPowerOfTwo(powerOfTwo(exponent))).toBe(true);
  for (const value of [-2, 0, 0.5, 3, 6, 2 ** 40 + 1]) expect(isPowerOfTwo(value)).toBe(false);
});
