import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DirtyRange, MemoryStorage, runSync } from '@diskfile/core';
import { L1Table } from '../../src/tables/l1-table.ts';
import { MappingTables } from '../../src/tables/mapping-tables.ts';
import { TableCache, type TableSlice } from '../../src/tables/table-cache.ts';

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

const MASK = { high: 0x00ff_ffff, low: 0xffff_fe00 };
const GEOMETRY = { clusterBytes: 512, l2EntryBytes: 8, l2TableBytes: 512, l2TableAlignment: 512 };
/** Guest bytes that one L2 table of that geometry maps. */
const COVERAGE = 64 * 512;

function l1Of(offsets: number[]): L1Table {
  const table = new L1Table(0, new Uint8Array(offsets.length * 8), MASK);
  for (const [index, offset] of offsets.entries()) if (offset > 0) table.set(index, offset);
  return table;
}

describe('mapping tables', () => {
  it('keep what another L1 table names as before, and forget the rest', () => {
    const storage = new MemoryStorage(Uint8Array.from({ length: 4096 }, (_, at) => at / 512));
    const tables = new MappingTables(storage, l1Of([512, 1024, 1536]), GEOMETRY, 4096);
    const [first, second] = [0, COVERAGE, 2 * COVERAGE].map((at) => runSync(tables.load(at))!);
    tables.markDirty(first!, 0, 8);
    tables.markDirty(second!, 0, 8);
    expect(tables.dirtyBytes).toBe(1024);
    tables.replaceL1(l1Of([512, 2048, 0, 1536]));
    expect(tables.find(0)).toBe(first);
    expect(tables.dirtySlices()).toEqual([first]);
    expect(tables.dirtyBytes).toBe(512);
    expect(tables.find(COVERAGE)).toBeUndefined();
    expect(runSync(tables.load(COVERAGE))!.entries.getUint8(0)).toBe(4);
    expect(tables.find(2 * COVERAGE)).toBeUndefined();
    expect(tables.unallocatedBytes(2 * COVERAGE, 9e9)).toBe(COVERAGE);
  });

  it('forget a table that is removed, while it is read as well', () => {
    const storage = new MemoryStorage(new Uint8Array(4096));
    const tables = new MappingTables(storage, l1Of([512, 1024]), GEOMETRY, 4096);
    tables.markDirty(runSync(tables.load(0))!, 0, 8);
    const loading = tables.load(COVERAGE);
    loading.next();
    tables.removeTable(0);
    tables.removeTable(1);
    expect(loading.next()).toEqual({ done: true, value: undefined });
    expect(tables.dirtyBytes).toBe(0);
    expect([tables.find(0), tables.find(COVERAGE)]).toEqual([undefined, undefined]);
    expect(tables.l1.bytes).toEqual(new Uint8Array(16));
    expect([tables.l1.dirty.from, tables.l1.dirty.to]).toEqual([0, 16]);
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
        const table = runSync(L1Table.read(storage, 0, 44, MASK));
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
