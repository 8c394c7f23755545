import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreedClusters } from '../../src/refcounts/freed-clusters.ts';

const CLUSTERS = 400;

type Event = { readonly free: number; readonly count: number } | 'flush' | 'reclaim';

const events = (weight: number): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      { weight, arbitrary: fc.record({ free: fc.nat(CLUSTERS - 4), count: fc.constant(1) }) },
      { weight: 2, arbitrary: fc.record({ free: fc.nat(CLUSTERS - 9), count: fc.nat(8) }) },
      { weight: 2, arbitrary: fc.constant<Event>('flush') },
      { weight: 1, arbitrary: fc.constant<Event>('reclaim') },
    ),
    { maxLength: 300 },
  );

/** What freed clusters have to be: each set as it was freed, held until its flush is reclaimed. */
class Model {
  fresh = new Set<number>();
  readonly flushed: Set<number>[] = [];

  get held(): Set<number> {
    return new Set([...this.fresh, ...this.flushed.flatMap((set) => [...set])]);
  }
}

describe('freed clusters', () => {
  it('are held until the reads of their time are over, and then reusable', () => {
    fc.assert(
      fc.property(events(4), (happenings) => {
        const freed = new FreedClusters();
        const model = new Model();
        for (const event of happenings) {
          if (event === 'flush') {
            freed.seal();
            model.flushed.push(model.fresh);
            model.fresh = new Set();
          } else if (event === 'reclaim') {
            const { runs, from } = freed.reclaim();
            const reclaimed = model.flushed.shift() ?? new Set();
            const clusters = [...runs].flatMap(({ start, count }) =>
              Array.from({ length: count }, (_, index) => start + index),
            );
            expect(clusters).toEqual([...reclaimed].toSorted((a, b) => a - b));
            expect(from).toBe(Math.min(Infinity, ...reclaimed));
          } else if (event.count > 0) {
            freed.addFreed({ start: event.free, count: event.count });
            for (let at = 0; at < event.count; at++) model.fresh.add(event.free + at);
          }
          const { held } = model;
          for (let cluster = 0; cluster < CLUSTERS; cluster++) {
            expect(freed.isHeld(cluster)).toBe(held.has(cluster));
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('take a bounded room, and are never reusable too early for that', () => {
    const MAX_RUNS = 6;
    fc.assert(
      fc.property(events(12), (happenings) => {
        const freed = new FreedClusters(MAX_RUNS);
        const model = new Model();
        for (const event of happenings) {
          if (event === 'flush') {
            freed.seal();
            model.flushed.push(model.fresh);
            model.fresh = new Set();
          } else if (event === 'reclaim') {
            const { runs, from } = freed.reclaim();
            const before = model.held;
            model.flushed.shift();
            for (const { start, count } of runs) {
              expect(start).toBeGreaterThanOrEqual(from);
              // Only what was freed may become a hole of the file.
              for (let at = 0; at < count; at++) expect(before.has(start + at)).toBe(true);
            }
          } else if (event.count > 0) {
            freed.addFreed({ start: event.free, count: event.count });
            for (let at = 0; at < event.count; at++) model.fresh.add(event.free + at);
          }
          expect(freed.heldRuns).toBeLessThanOrEqual(2 * MAX_RUNS);
          for (const cluster of model.held) expect(freed.isHeld(cluster)).toBe(true);
        }
        freed.seal();
        for (let flushes = 0; flushes <= happenings.length; flushes++) freed.reclaim();
        expect(freed.heldRuns).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('of very many flushes are kept in few sets', () => {
    const freed = new FreedClusters();
    for (let flush = 0; flush < 1000; flush++) {
      freed.addFreed({ start: flush * 2, count: 1 });
      freed.seal();
    }
    let last = 0;
    for (let flush = 0; flush < 1000; flush++) {
      expect(freed.isHeld(flush * 2)).toBe(true);
      for (const { start } of freed.reclaim().runs) last = Math.max(last, start);
      expect(last).toBeLessThanOrEqual(flush * 2);
    }
    expect(last).toBe(1998);
    expect(freed.heldRuns).toBe(0);
  });
});
