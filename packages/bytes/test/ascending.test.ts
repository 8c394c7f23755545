import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countUpTo } from '../src/index.ts';

it('counts the numbers that are not above one', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30)), fc.integer({ min: -1, max: 31 }), (numbers, most) => {
      const ascending = numbers.toSorted((a, b) => a - b);
      const expected = numbers.filter((number) => number <= most).length;
      expect(countUpTo(ascending, most)).toBe(expected);
      expect(countUpTo(Float64Array.from(ascending), most)).toBe(expected);
    }),
  );
});
