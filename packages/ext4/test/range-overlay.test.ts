import { runSync } from '@diskfile/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BlockMap, BlockRun, findRun } from '../src/blocks/block-map.ts';
import { OverlaidMap, RangeOverlay } from '../src/journal/range-overlay.ts';

const LIMIT = 100;

/** A map in which file block n is at 1000 + n, except that every seventh is a hole. */
const below: BlockMap = {
  blockLimit: LIMIT,
  find(fileBlock, _maxBlocks, run) {
    if (fileBlock % 7 === 0) run.setHole(1);
    else run.setMapped('data', 1000 + fileBlock, 1);
    return true;
  },
  *load() {},
};

describe('ranges of fast commits', () => {
  it('equal a model that repaints every block', () => {
    const change = fc.record({
      fileBlock: fc.nat({ max: LIMIT - 1 }),
      length: fc.integer({ min: 1, max: 30 }),
      kind: fc.constantFrom('data' as const, 'hole' as const, 'unwritten' as const),
      physical: fc.integer({ min: 2000, max: 9000 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
        const ranges = new RangeOverlay();
        const model: (string | number)[] = Array.from({ length: LIMIT }, (_, n) =>
          n % 7 === 0 ? 'hole' : 1000 + n,
        );
        for (const { fileBlock, length, kind, physical } of changes) {
          const count = Math.min(length, LIMIT - fileBlock);
          ranges.set(fileBlock, count, kind, physical);
          for (let n = 0; n < count; n++) {
            model[fileBlock + n] = kind === 'data' ? physical + n : kind;
          }
        }
        const map = new OverlaidMap(ranges, below);
        const run = new BlockRun();
        for (let at = 0; at < LIMIT; at += run.blockCount) {
          runSync(findRun(map, at, LIMIT - at, run));
          expect(run.blockCount).toBeGreaterThan(0);
          for (let n = 0; n < run.blockCount; n++) {
            expect(run.kind === 'data' ? run.physicalBlock + n : run.kind).toBe(model[at + n]);
          }
        }
      }),
    );
  });

  it('may be very many, in any order', () => {
    const ranges = new RangeOverlay();
    // Putting each in its place among the others takes minutes, which no test has.
    for (let n = 0; n < 300_000; n++) ranges.set(10 + n * 2, 1, 'data', 100);
    for (let n = 0; n < 150_000; n++) {
      ranges.set(0, 4, 'data', 5);
      ranges.set(2, 1, 'hole', 0);
    }
    const run = new BlockRun();
    new OverlaidMap(ranges, below).find(3, 10, run);
    expect(run).toMatchObject({ kind: 'data', physicalBlock: 8, blockCount: 1 });
  });
});
