import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage, runSync } from '@diskfile/core';
import { DirtyRange } from '../src/dirty-range.ts';
import { L1Table } from '../src/l1-table.ts';
import { TableCache, type TableSlice } from '../src/table-cache.ts';

function slice(index: number, buffer = new ArrayBuffer(8)): TableSlice {
  return {
    index,
    startGuestOffset: index * 10,
    endGuestOffset: index * 10 + 10,
    hostOffset: 0,
    entries: new DataView(buffer),
    dirty: new DirtyRange(),
    recentlyUsed: true,
  };
}

describe('the table cache', () => {
  it('never holds more than its capacity, and always what came in last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(9)), (capacity, wanted) => {
        const cache = new TableCache(capacity);
        for (const index of wanted) {
          if (cache.find(index) === undefined) {
            cache.add(slice(index, cache.evictWhenFull() ?? new ArrayBuffer(8)));
          }
          expect(cache.find(index)!.index).toBe(index);
          expect(cache.findLast(index * 10 + 9)!.index).toBe(index);
          expect(cache.findLast(index * 10 + 10)).toBeUndefined();
          const held = Array.from({ length: 10 }, (_, other) => cache.find(other));
          expect(held.filter((found) => found !== undefined).length).toBeLessThanOrEqual(capacity);
          for (const [other, found] of held.entries()) expect(found?.index ?? other).toBe(other);
        }
      }),
    );
  });

  it('drops what was not used lately', () => {
    const cache = new TableCache(3);
    for (const index of [0, 1, 2]) cache.add(slice(index));
    cache.add(slice(3)); // All were new, so one of them went and the others lost their mark.
    const survivors = [0, 1, 2].filter((index) => cache.find(index) !== undefined);
    expect(survivors).toHaveLength(2);
    const unused = new TableCache(3);
    for (const index of [0, 1, 2]) unused.add({ ...slice(index), recentlyUsed: index !== 1 });
    unused.add(slice(3));
    expect(unused.find(1)).toBeUndefined();
  });

  it('takes the same slice once, and hands on the bytes of what it drops', () => {
    const cache = new TableCache(1);
    const first = slice(4);
    cache.add(first);
    cache.add(slice(4));
    expect(cache.find(4)).toBe(first);
    expect(cache.evictWhenFull()).toBe(first.entries.buffer);
    expect(cache.find(4)).toBeUndefined();
    expect(cache.findLast(45)).toBeUndefined();
  });
});

describe('the L1 table', () => {
  it('finds the next allocated entry from anywhere, in any order of asking', () => {
    const bits = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    const queries = fc.array(fc.tuple(fc.nat(44), fc.nat(44)), { maxLength: 30 });
    fc.assert(
      fc.property(bits, fc.nat(10), queries, (allocated, cutEntries, asked) => {
        const bytes = new Uint8Array(allocated.length * 8);
        for (const [index, used] of allocated.entries()) bytes[index * 8 + 6] = used ? 2 : 0;
        const held = Math.max(0, allocated.length - cutEntries);
        const storage = new MemoryStorage(bytes.subarray(0, held * 8));
        const mask = { high: 0x00ff_ffff, low: 0xffff_fe00 };
        const table = runSync(L1Table.read(storage, 0, 44, mask));
        for (const [a, b] of asked) {
          const [from, limit] = a <= b ? [a, b] : [b, a];
          let expected = from;
          while (expected < limit && !(expected < held && allocated[expected])) expected += 1;
          expect(table.nextAllocated(from, limit)).toBe(expected);
        }
      }),
    );
  });

  it('holds no more than the file does', () => {
    const storage = new MemoryStorage(new Uint8Array(100));
    const mask = { high: 0, low: 0 };
    const table = runSync(L1Table.read(storage, 96, 2 ** 30, mask));
    expect(table.nextAllocated(0, 2 ** 30)).toBe(2 ** 30);
    expect(runSync(L1Table.read(storage, 2 ** 40, 2 ** 30, mask)).l2TableOffset(0)).toBe(0);
  });
});
