import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isAllZero } from '../src/index.ts';

it('finds a single set bit anywhere, at any alignment', () => {
  const window = fc.record({ start: fc.nat(9), lengthBytes: fc.nat(200) });
  fc.assert(
    fc.property(window, fc.nat(230), fc.nat(7), ({ start, lengthBytes }, at, bit) => {
      const bytes = new Uint8Array(240);
      bytes[at] = 1 << bit;
      const inside = at >= start && at < start + lengthBytes;
      expect(isAllZero(bytes.subarray(start, start + lengthBytes))).toBe(!inside);
    }),
    { numRuns: 1000 },
  );
});

it('counts nothing as zero', () => {
  expect(isAllZero(new Uint8Array(0))).toBe(true);
});
