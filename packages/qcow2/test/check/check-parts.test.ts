import { MemoryStorage, runSync } from '@diskfile/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverage } from '../../src/check/coverage.ts';
import { EntryRuns } from '../../src/check/entry-runs.ts';
import { HostClusterField } from '../../src/check/host-cluster.ts';
import { completeSnapshotTable } from '../../src/check/repair/snapshot-table.ts';
import { TableReader } from '../../src/check/table-reader.ts';
import { clusterOffset } from '../../src/tables/l2-entry.ts';

describe('the coverage of regions', () => {
  it('counts how many regions lie over each place', () => {
    const region = fc.record({ start: fc.nat(50), length: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(region), (list) => {
        const regions = list.map(({ start, length }) => ({ start, end: start + length }));
        const counted = new Map<number, number>();
        for (const { start, end, times } of coverage(regions)) {
          for (let at = start; at < end; at++) counted.set(at, times);
        }
        for (let at = 0; at < 80; at++) {
          const times = regions.filter(({ start, end }) => at >= start && at < end).length;
          expect(counted.get(at) ?? 0).toBe(times);
        }
      }),
    );
  });
});

describe('a walk over the entries of a table', () => {
  const entry = fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc
      .record({ flags: fc.constantFrom(0n, 1n << 63n, 1n), cluster: fc.nat(6) })
      .map(({ flags, cluster }) => flags | (0xffff_8000n + BigInt(cluster) * 4096n)),
  );

  it.each([
    ['standard', 8],
    ['extended', 16],
  ])('finds every %s entry once, in order', (_, entryBytes) => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), (list) => {
        const table = new DataView(new ArrayBuffer(Math.ceil(list.length / 2) * 16));
        for (const [index, value] of list.entries()) table.setBigUint64(index * 8, value);
        const runs = new EntryRuns(4096, entryBytes === 16);
        const found = new Set<number>();
        for (runs.start(table); runs.next();) {
          for (let each = 0; each < runs.length; each++) {
            const at = runs.at + each * entryBytes;
            found.add(at);
            expect(table.getUint32(at)).toBe(runs.high);
            expect(table.getUint32(at + 4)).toBe(runs.low + each * 4096);
          }
        }
        for (let at = 0; at < table.byteLength; at += entryBytes) {
          let isUsed = table.getBigUint64(at) !== 0n;
          if (entryBytes === 16) isUsed ||= table.getBigUint64(at + 8) !== 0n;
          expect(found.has(at)).toBe(isUsed);
        }
      }),
    );
  });

  it('takes clusters that follow each other for one run', () => {
    const table = new DataView(new ArrayBuffer(64));
    for (let index = 2; index < 8; index++) table.setBigUint64(index * 8, BigInt(index) * 4096n);
    const runs = new EntryRuns(4096, false);
    runs.start(table);
    expect(runs.next()).toBe(true);
    expect([runs.at, runs.length]).toEqual([16, 6]);
    expect(runs.next()).toBe(false);
  });
});

describe('the cluster that an entry names', () => {
  it('is the one that its offset lies in', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 21 }),
        fc.nat(0xffff_ffff),
        fc.nat(0xffff_ffff),
        (clusterBits, high, low) => {
          const field = new HostClusterField(clusterBits);
          const offset = clusterOffset(high, low);
          expect(field.index(high, low)).toBe(Math.floor(offset / 2 ** clusterBits));
          expect(field.isAligned(low)).toBe(offset % 2 ** clusterBits === 0);
          const down = clusterOffset(high, field.alignDown(low));
          expect(down).toBe(offset - (offset % 2 ** clusterBits));
        },
      ),
    );
  });
});

describe('a reader of tables', () => {
  it('gives each its bytes, neighbours or not, and zeros beyond the end', () => {
    const bytes = new Uint8Array(512 * 3000).map((_, at) => (at / 512) % 251);
    const storage = new MemoryStorage(bytes);
    const offsets = Array.from(
      { length: 2500 },
      (_, index) => 512 * (index + (index % 7 === 0 ? 1 : 0)),
    );
    offsets.push(512 * 5000);
    const seen: number[] = [];
    let visited = 0;
    const step = new TableReader(storage, 512).each(
      offsets,
      (table, index) => {
        expect(index).toBe(seen.length);
        seen.push(table.getUint8(511));
      },
      function* (count) {
        visited += count;
      },
    );
    runSync(step);
    expect(seen).toEqual(offsets.map((offset) => bytes[offset] ?? 0));
    expect(visited).toBe(offsets.length);
  });
});

it('a snapshot table written anew keeps what entries say, possible or not', () => {
  const part = (length: number) => new Uint8Array(length).fill(6);
  const entry = { fixed: part(40), id: part(1), name: part(2), l1Offset: 0, l1Entries: 0 };
  const table = completeSnapshotTable([{ ...entry, extra: part(16) }], 512);
  expect(table.length).toBe(40 + 24 + 3);
  expect([...table.subarray(36, 40)]).toEqual([0, 0, 0, 24]);
  expect([...table.subarray(40, 56)]).toEqual([...part(16)]);
  expect([...table.subarray(56, 64)]).toEqual([...new Uint8Array(8).fill(0xff)]);
});
