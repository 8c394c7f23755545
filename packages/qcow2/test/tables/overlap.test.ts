import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MetadataKind, MetadataMap } from '../../src/tables/overlap.ts';

const CLUSTER = 512;
const kinds: MetadataKind[] = ['L1 table', 'refcount table', 'snapshot table'];
/** In which QEMU names them. */
const ORDER: MetadataKind[] = ['header', 'L1 table', 'refcount table', 'snapshot table'];
const regions = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    hostOffset: fc.nat(40 * CLUSTER),
    lengthBytes: fc.nat(20 * CLUSTER),
  }),
  { maxLength: 12 },
);
const range = fc.record({ start: fc.nat(70), count: fc.integer({ min: 1, max: 6 }) });

describe('a map of metadata', () => {
  it('finds what a look at every region finds', () => {
    fc.assert(
      fc.property(regions, regions, range, fc.boolean(), (first, more, at, without) => {
        const map = new MetadataMap(CLUSTER);
        map.addRegions(first);
        map.addRegions(more);
        if (without) map.removeRegions('L1 table');
        const all = [{ kind: 'header', hostOffset: 0, lengthBytes: CLUSTER }, ...first, ...more];
        const overlapping = all.filter(
          ({ kind, hostOffset, lengthBytes }) =>
            lengthBytes > 0 &&
            !(without && kind === 'L1 table') &&
            Math.floor(hostOffset / CLUSTER) < at.start + at.count &&
            Math.ceil((hostOffset + lengthBytes) / CLUSTER) > at.start,
        );
        const there = new Set(overlapping.map(({ kind }) => kind));
        const found = map.findRegion(at.start, at.start + at.count);
        if (there.size === 0) expect(found).toBeUndefined();
        else expect(there).toContain(found);
        const guarded = map.findGuarded(at.start, at.start + at.count);
        expect(guarded).toBe(ORDER.find((kind) => there.has(kind)));
      }),
    );
  });

  it('names what writes are kept off, in the order in which QEMU looks', () => {
    const map = new MetadataMap(CLUSTER);
    map.addRegions([
      { kind: 'refcount table', hostOffset: 3 * CLUSTER, lengthBytes: 1 },
      { kind: 'L1 table', hostOffset: 4 * CLUSTER, lengthBytes: 1 },
    ]);
    map.addCluster('L2 table', 3);
    map.setInactiveTables(Float64Array.of(3, 5));
    expect(map.findGuarded(3, 4)).toBe('L2 table');
    expect(map.findGuarded(3, 4, 'L2 table')).toBe('refcount table');
    expect(map.findGuarded(3, 5)).toBe('L1 table');
    expect(map.findGuarded(5, 6)).toBe("snapshot's L2 table");
    expect(map.findGuarded(6, 9)).toBeUndefined();
  });

  it('keeps writes off what it is told to, and off a LUKS header', () => {
    const map = new MetadataMap(CLUSTER, new Set(['active-l1']));
    map.addRegion('L1 table', 4 * CLUSTER, 1);
    map.addRegion('refcount table', 5 * CLUSTER, 1);
    map.addRegion('LUKS header', 6 * CLUSTER, 1);
    expect(map.findGuarded(0, 1)).toBeUndefined();
    expect(map.findGuarded(4, 5)).toBe('L1 table');
    expect(map.findGuarded(5, 6)).toBeUndefined();
    expect(map.findGuarded(5, 7)).toBe('LUKS header');
    expect(map.find(5, 6)).toBe('refcount table');
  });

  it('is quick where very many tables lie upon each other', () => {
    const map = new MetadataMap(CLUSTER);
    const piled = Array.from({ length: 65_536 }, (_, index) => ({
      kind: "snapshot's L1 table" as const,
      hostOffset: (10 + index) * CLUSTER,
      lengthBytes: index === 0 ? 2 ** 36 : CLUSTER,
    }));
    map.addRegions(piled);
    // Looking through all of them takes minutes, which no test has.
    let found = 0;
    for (let cluster = 100_000; cluster < 200_000; cluster++) {
      if (map.findRegion(cluster, cluster + 1) !== undefined) found += 1;
    }
    expect(found).toBe(100_000);
  });

  it('is quick to let tables of its own be written, however many others there are', () => {
    const map = new MetadataMap(CLUSTER);
    map.addRegions(
      Array.from({ length: 65_536 }, (_, index) => ({
        kind: "snapshot's L1 table" as const,
        hostOffset: (10 + 2 * index) * CLUSTER,
        lengthBytes: CLUSTER,
      })),
    );
    // Looking through all of them takes minutes, which no test has.
    let refused = 0;
    for (let cluster = 11; cluster < 600_011; cluster += 2) {
      map.addCluster('L2 table', cluster);
      if (map.findGuarded(cluster, cluster + 1, 'L2 table') !== undefined) refused += 1;
    }
    expect(refused).toBe(0);
  });
});

it('finds a table anywhere in a range without going through all of its clusters', () => {
  const map = new MetadataMap(65536);
  map.addCluster('L2 table', 2 ** 30);
  map.addCluster('refcount block', 2 ** 40);
  expect(map.find(1, 2 ** 45)).toBeDefined();
  expect(map.find(2 ** 30 + 1, 2 ** 40)).toBeUndefined();
  expect(map.findGuarded(1, 2 ** 45, 'L2 table')).toBe('refcount block');
  expect(map.findGuarded(1, 2 ** 40, 'L2 table')).toBeUndefined();
  expect(map.findGuarded(2 ** 30, 2 ** 30 + 1)).toBe('L2 table');
});
