import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { compressedClusters } from '../../src/tables/cluster-entry.ts';
import {
  compressedDescriptor,
  compressedEnd,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
} from '../../src/tables/l2-entry.ts';
import { PackedSpace } from '../../src/allocation/packed-space.ts';
import type { Refcounts } from '../../src/refcounts/refcounts.ts';
import { errorOf } from '../support/open-image.ts';

describe('the descriptor of a compressed cluster', () => {
  const cases = fc.integer({ min: 9, max: 21 }).chain((clusterBits) =>
    fc.record({
      clusterBits: fc.constant(clusterBits),
      hostOffset: fc.oneof(
        fc.integer({ min: 0, max: 2 ** 24 }),
        fc
          .maxSafeNat()
          .map((any) => any % (Math.min(compressedEnd(clusterBits), 2 ** 53) - 2 ** 22)),
      ),
      lengthBytes: fc.integer({ min: 1, max: 2 ** clusterBits - 1 }),
    }),
  );

  it('tells where the data begins, and reaches its last sector, with every cluster size', () => {
    fc.assert(
      fc.property(cases, ({ clusterBits, hostOffset, lengthBytes }) => {
        const { high, low } = compressedDescriptor(hostOffset, lengthBytes, clusterBits);
        expect(isCompressed(high)).toBe(true);
        expect(isCopied(high)).toBe(false);
        expect(compressedOffset(high, low, clusterBits)).toBe(hostOffset);
        const end = hostOffset + compressedLength(high, low, clusterBits);
        expect(end % 512).toBe(0);
        expect(end - (hostOffset + lengthBytes)).toBeGreaterThanOrEqual(0);
        expect(end - (hostOffset + lengthBytes)).toBeLessThan(512);
        const entries = new DataView(new ArrayBuffer(8));
        entries.setUint32(0, high);
        entries.setUint32(4, low);
        const clusterBytes = 2 ** clusterBits;
        const start = Math.floor(hostOffset / clusterBytes);
        const count = Math.ceil((hostOffset + lengthBytes) / clusterBytes) - start;
        expect(compressedClusters(entries, 0, clusterBits)).toEqual({ start, count });
      }),
      { numRuns: 2000 },
    );
  });

  it('is the one of the specification', () => {
    // 64 KiB: 54 bits of offset, then the sectors beyond the first.
    expect(compressedDescriptor(0x5_0000, 1, 16)).toEqual({ high: 0x4000_0000, low: 0x5_0000 });
    expect(compressedDescriptor(0x5_01ff, 2, 16)).toEqual({ high: 0x4040_0000, low: 0x5_01ff });
    expect(compressedDescriptor(2 ** 33, 65_535, 16)).toEqual({ high: 0x5fc0_0002, low: 0 });
  });
});

/** Clusters of 1000 bytes, counted, handed out as told. */
class Clusters {
  readonly clusterBytes = 1000;
  readonly counts = new Map<number, number>();
  maxCount = 100;
  /** Clusters from here on have no refcount block. */
  counted = Infinity;
  failsToRaise = false;
  next = 10;

  *allocate(): Generator<never, number, void> {
    const cluster = this.next;
    this.next += 1;
    this.counts.set(cluster, 1);
    return cluster;
  }

  *release({ start, count }: { start: number; count: number }): Generator<never, void, void> {
    for (let at = start; at < start + count; at++) this.counts.set(at, this.counts.get(at)! - 1);
  }

  *raise({ start }: { start: number }): Generator<never, void, void> {
    if (this.failsToRaise) throw new Error('no');
    this.counts.set(start, this.counts.get(start)! + 1);
  }

  *announce(): Generator<never, void, void> {}

  *get(cluster: number): Generator<never, number, void> {
    return this.counts.get(cluster) ?? 0;
  }

  firstWithoutBlock({ start }: { start: number }): number | undefined {
    return start < this.counted ? undefined : start;
  }
}

describe('packed space', () => {
  const make = () => {
    const clusters = new Clusters();
    const packed = new PackedSpace(clusters, clusters as unknown as Refcounts);
    const take = (lengthBytes: number) => runSync(packed.take(lengthBytes, 1_000_000));
    const counts = () => Object.fromEntries(clusters.counts);
    return { clusters, packed, take, counts };
  };

  it('goes on in the next cluster where that follows', () => {
    const { clusters, take, counts } = make();
    expect([take(400), take(400), take(400), take(799)]).toEqual([10_000, 10_400, 10_800, 11_200]);
    expect(counts()).toEqual({ 10: 3, 11: 2 });
    clusters.next = 13;
    expect([take(2), take(998), take(10)]).toEqual([13_000, 13_002, 14_000]);
    expect(counts()).toEqual({ 10: 3, 11: 2, 13: 2, 14: 1 });
  });

  it('begins anew where the count is full, or a refcount block has to be made', () => {
    const { clusters, take } = make();
    clusters.maxCount = 2;
    expect([take(1), take(1), take(1)]).toEqual([10_000, 10_001, 11_000]);
    clusters.maxCount = 100;
    clusters.counted = 12;
    expect([take(1), take(999)]).toEqual([11_001, 12_000]);
  });

  it('is given back use by use', () => {
    const { packed, take, counts } = make();
    take(900);
    const second = take(300);
    runSync(packed.release(second, 300));
    expect(counts()).toEqual({ 10: 1, 11: 0 });
  });

  it('takes nothing when the old cluster cannot be counted', () => {
    const { clusters, take, counts } = make();
    take(900);
    clusters.failsToRaise = true;
    expect(() => take(300)).toThrowError('no');
    expect(counts()).toEqual({ 10: 1, 11: 0 });
  });

  it('ends where offsets no longer fit', () => {
    const { packed, counts } = make();
    expect(runSync(packed.take(999, 11_000))).toBe(10_000);
    const attempt = () => runSync(packed.take(2, 11_999));
    expect(errorOf(attempt)).toMatchObject({ code: 'limit', detail: 'qcow2.compressed-offset' });
    expect(counts()).toEqual({ 10: 1, 11: 0 });
  });
});
