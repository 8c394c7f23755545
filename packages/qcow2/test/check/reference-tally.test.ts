import { describe, expect, it } from 'vitest';
import { ReferenceTally } from '../../src/refcounts/reference-tally.ts';

const LARGE = 2 ** 30;
const PAGE = 16_384;

describe('a tally of references', () => {
  it('counts runs across pages', () => {
    const tally = new ReferenceTally(LARGE);
    tally.add({ start: PAGE - 2, count: 4 });
    expect(tally.addRun(PAGE, 3, 2)).toBe(3);
    expect([-3, -2, -1, 0, 1, 2, 3].map((at) => tally.get(PAGE + at))) //
      .toEqual([0, 1, 1, 3, 3, 2, 0]);
    expect(tally.end).toBe(PAGE + 3);
    expect(tally.blocks(PAGE)).toEqual([0, 1]);
  });

  it('goes on counting where a byte is full', () => {
    const tally = new ReferenceTally(LARGE);
    for (let times = 0; times < 300; times++) tally.add({ start: 7, count: 1 });
    tally.addRun(8, 1, 70_000);
    tally.addRun(8, 1, -1);
    expect([6, 7, 8].map((cluster) => tally.get(cluster))).toEqual([0, 300, 69_999]);
  });

  it('does not pass what its numbers hold', () => {
    const tally = new ReferenceTally(LARGE);
    expect(tally.addRun(1, 1, 2 ** 32)).toBe(2 ** 32);
    tally.addRun(1, 1, 5);
    expect(tally.get(1)).toBe(2 ** 32 - 1);
  });

  it('copies counts, zeros where nothing was counted', () => {
    const tally = new ReferenceTally(LARGE);
    tally.add({ start: 2 * PAGE - 1, count: 2 });
    const counts = new Uint32Array(4).fill(9);
    tally.copyCounts(2 * PAGE - 2, counts);
    expect([...counts]).toEqual([0, 1, 1, 0]);
    tally.copyCounts(0, counts);
    expect([...counts]).toEqual([0, 0, 0, 0]);
  });

  it('tells what is surely not used', () => {
    const tally = new ReferenceTally(LARGE);
    tally.add({ start: 3 * PAGE + 5, count: 1 });
    expect(tally.isBlank(0, 3 * PAGE)).toBe(true);
    expect(tally.isBlank(0, 3 * PAGE + 1)).toBe(false);
    expect(tally.isBlank(3 * PAGE + 6, 9 * PAGE)).toBe(true);
  });

  it('is bounded', () => {
    const tally = new ReferenceTally(2 * PAGE);
    tally.add({ start: 0, count: 2 * PAGE });
    expect(() => tally.add({ start: 2 * PAGE, count: 1 })).toThrowError(
      expect.objectContaining({ code: 'limit', detail: 'qcow2.too-many-clusters' }),
    );
    expect(() => tally.add({ start: 2 ** 47, count: 1 })).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'qcow2.cluster-offset' }),
    );
  });
});
