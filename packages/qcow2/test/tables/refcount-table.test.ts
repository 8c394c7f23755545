import { describe, expect, it } from 'vitest';
import { RefcountTable } from '../../src/refcounts/refcount-table.ts';

const CLUSTER_BYTES = 512;

describe('a refcount table', () => {
  it.each([1, 3, 64, 1000])('of %d entries is used up to the last that is set', (entries) => {
    const table = new RefcountTable(CLUSTER_BYTES, new Uint8Array(entries * 8));
    expect(table.usedCapacity).toBeLessThanOrEqual(1);
    for (let last = 0; last < entries; last += 7) {
      table.setBlockOffset(last, CLUSTER_BYTES * (last + 2));
      expect(table.usedCapacity).toBeGreaterThan(last);
      expect(table.usedCapacity).toBeLessThanOrEqual(Math.max(entries, 1));
      if (last > 0) expect(table.usedCapacity / 2).toBeLessThanOrEqual(last + 1);
    }
  });
});
