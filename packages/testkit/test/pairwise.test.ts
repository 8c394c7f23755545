import { describe, expect, it } from 'vitest';
import { pairwise } from '../src/pairwise.ts';

describe('pairwise', () => {
  const factors = { a: [1, 2, 3, 4], b: ['x', 'y', 'z'], c: [true, false], d: [1, 2, 3] };
  const names = Object.keys(factors) as (keyof typeof factors)[];

  function missingPairs(
    cases: readonly Record<string, unknown>[],
    possible: (pair: Record<string, unknown>) => boolean,
  ): unknown[] {
    const missing: unknown[] = [];
    for (const first of names) {
      for (const second of names.filter((name) => name > first)) {
        for (const x of factors[first]) {
          for (const y of factors[second]) {
            const met = cases.some((one) => one[first] === x && one[second] === y);
            if (!met && possible({ [first]: x, [second]: y })) missing.push([first, x, second, y]);
          }
        }
      }
    }
    return missing;
  }

  it('lets every two values meet, in far fewer cases than there are', () => {
    const cases = pairwise(factors);
    expect(missingPairs(cases, () => true)).toEqual([]);
    expect(cases.length).toBeLessThan(20);
  });

  it('keeps to what is valid, and covers all of it', () => {
    const valid = (one: { a: unknown; b: unknown }) => !(one.a === 1 && one.b === 'x');
    const cases = pairwise(factors, valid);
    expect(cases.every(valid)).toBe(true);
    expect(missingPairs(cases, (pair) => !(pair['a'] === 1 && pair['b'] === 'x'))).toEqual([]);
  });
});
