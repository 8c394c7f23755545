import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Decoder, MemoryStorage, type Step } from '@diskfile/core';
import { firstDifference, openImage, readAll, TestDecoders } from '../support/open-image.ts';
import { type ClusterSpec, type Kind, modelOf } from '../support/content.ts';
import {
  EXTENSION,
  type ImageSpec,
  type WrittenImage,
  writeQcow2,
} from '../support/qcow2-writer.ts';

const KINDS_V2: Kind[] = ['unallocated', 'data', 'compressed'];
const KINDS_V3: Kind[] = ['unallocated', 'zero', 'zero-ready', 'data', 'compressed'];
const SUBKINDS = ['unallocated', 'zero', 'zero-ready', 'data'] as const;

const utf8 = new TextEncoder();
const dataFileName = { type: EXTENSION.dataFileName, data: utf8.encode('data') };

/** Runs of clusters, so that some neighbours merge and some do not. */
function clustersOf(kinds: Kind[], maxRuns: number, maxRun: number): fc.Arbitrary<ClusterSpec[]> {
  const run = fc.tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: maxRun }), fc.nat(99));
  return fc
    .array(run, { minLength: 1, maxLength: maxRuns })
    .map((runs) =>
      runs.flatMap(([kind, count, fill]) =>
        Array.from({ length: count }, (_, index): ClusterSpec => ({ kind, fill: fill + index })),
      ),
    );
}

/** In an extended entry all zero subclusters are of one kind: with a host cluster or without. */
const extendedCluster: fc.Arbitrary<ClusterSpec> = fc.oneof(
  fc.record({ kind: fc.constantFrom(...KINDS_V3), fill: fc.nat(99) }),
  fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom(...SUBKINDS), fc.integer({ min: 1, max: 20 })), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.nat(99),
    )
    .map(([runs, fill]): ClusterSpec => {
      const parts = runs.flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
      while (parts.length < 32) parts.push(parts.at(-1)!);
      return { kind: 'data', fill, subclusters: parts.slice(0, 32) };
    }),
);

function shuffled(clusters: ClusterSpec[]): fc.Arbitrary<number[]> {
  const natural = clusters.map((_, index) => index);
  const all = { minLength: clusters.length, maxLength: clusters.length };
  return fc.oneof(fc.constant(natural), fc.shuffledSubarray(natural, all));
}

const standard: fc.Arbitrary<ImageSpec> = fc
  .constantFrom<[2 | 3, number]>([2, 9], [3, 9], [3, 10], [2, 12])
  .chain(([version, clusterBits]) =>
    clustersOf(version === 2 ? KINDS_V2 : KINDS_V3, 8, clusterBits === 9 ? 60 : 5).chain(
      (clusters) =>
        fc.record({
          version: fc.constant(version),
          clusterBits: fc.constant(clusterBits),
          zstd: version === 3 ? fc.boolean() : fc.constant(false),
          clusters: fc.constant(clusters),
          placement: shuffled(clusters),
          sizeBytes: fc
            .nat(2 ** clusterBits / 512 - 1)
            .map((cut) => clusters.length * 2 ** clusterBits - cut * 512),
          backing: fc.option(fc.constant('below'), { nil: undefined }),
        }),
    ),
  )
  .map(({ backing, ...spec }) => (backing === undefined ? spec : { ...spec, backing }));

const extended: fc.Arbitrary<ImageSpec> = fc
  .array(extendedCluster, { minLength: 1, maxLength: 6 })
  .chain((clusters) =>
    fc.record({
      clusterBits: fc.constant(14),
      extendedL2: fc.constant(true),
      clusters: fc.constant(clusters),
      placement: shuffled(clusters),
      backing: fc.constant('below'),
    }),
  );

const external: fc.Arbitrary<ImageSpec> = clustersOf(
  ['unallocated', 'zero', 'zero-ready', 'data'],
  8,
  20,
).map((clusters) => ({ clusters, dataFile: true, extensions: [dataFileName] }));

const images = fc.oneof(standard, extended, external);

const ranges = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40_000)), {
  minLength: 1,
  maxLength: 8,
});

function clip(size: number, [from, length]: [number, number]): [start: number, length: number] {
  const start = Math.min(size, Math.floor(from * size));
  return [start, Math.min(length, size - start)];
}

function openWithModel(spec: ImageSpec, limits = {}) {
  const written = writeQcow2(spec);
  const below = new Uint8Array(written.sizeBytes / 2).fill(0x77);
  const files = { below, data: written.dataFile };
  const disk = openImage(written.bytes, { files, limits });
  const backing = spec.backing === undefined ? undefined : below;
  const model = modelOf(spec.clusters, written.clusterBytes, written.sizeBytes, backing);
  return { disk, model };
}

describe('reading', () => {
  it('equals a byte model for every kind of cluster, by all ways to read', async () => {
    await fc.assert(
      fc.asyncProperty(images, ranges, async (spec, wanted) => {
        const { disk, model } = openWithModel(spec);
        expect(firstDifference(readAll(disk), model)).toBe(-1);
        const operations = wanted.map((range) => {
          const [guestOffset, length] = clip(model.length, range);
          return { op: 'read' as const, guestOffset, buffer: new Uint8Array(length).fill(0xee) };
        });
        expect((await disk.submitBatch(operations)).some(({ error }) => error)).toBe(false);
        for (const { guestOffset, buffer } of operations) {
          const expected = model.slice(guestOffset, guestOffset + buffer.length);
          expect(firstDifference(buffer, expected)).toBe(-1);
          const one = new Uint8Array(buffer.length).fill(0xee);
          await disk.read(one, guestOffset);
          expect(firstDifference(one, expected)).toBe(-1);
        }
      }),
    );
  });

  it('is the same when hardly any table fits into the cache, also side by side', async () => {
    await fc.assert(
      fc.asyncProperty(standard, ranges, async (spec, wanted) => {
        const { disk, model } = openWithModel(spec, { metadataCacheBytes: 600 });
        const reads = wanted.map(async (range) => {
          const [start, length] = clip(model.length, range);
          const bytes = new Uint8Array(length).fill(0xee);
          await disk.read(bytes, start);
          expect(firstDifference(bytes, model.slice(start, start + length))).toBe(-1);
        });
        await Promise.all(reads);
        expect(firstDifference(readAll(disk), model)).toBe(-1);
      }),
    );
  });

  it('gives zeros for what lies past the end of a cut file', () => {
    const written = writeQcow2({
      clusters: [
        { kind: 'data', fill: 1 },
        { kind: 'data', fill: 2 },
      ],
    });
    const disk = openImage(written.bytes.slice(0, -512));
    const first = modelOf([{ kind: 'data', fill: 1 }], 512, 1024);
    expect(readAll(disk)).toEqual(first);
  });
});

describe('block status', () => {
  it('tiles any range, and says zero only of what reads as zeros', async () => {
    await fc.assert(
      fc.asyncProperty(images, ranges, async (spec, [range]) => {
        const { disk, model } = openWithModel(spec);
        const [start, length] = clip(model.length, range!);
        let at = start;
        const statuses = [...disk.blockStatusSync(start, length)];
        for (const status of statuses) {
          expect(status.guestOffset).toBe(at);
          expect(status.lengthBytes).toBeGreaterThan(0);
          at += status.lengthBytes;
          const bytes = model.subarray(status.guestOffset, at);
          if (status.zero) expect(bytes.every((byte) => byte === 0)).toBe(true);
        }
        expect(at).toBe(start + length);
        const again: unknown[] = [];
        for await (const status of disk.blockStatus(start, length)) again.push(status);
        expect(again).toEqual(statuses);
      }),
    );
  });

  it('shows the clusters that stand ready for zeros and for nothing', () => {
    const clusters: ClusterSpec[] = [
      { kind: 'zero-ready', fill: 0 },
      { kind: 'zero', fill: 0 },
      { kind: 'unallocated', fill: 0 },
    ];
    const written = writeQcow2({ clusters });
    const offset = written.bytes.length - 512;
    expect([...openImage(written.bytes).blockStatusSync()]).toMatchObject([
      { lengthBytes: 512, zero: true, data: false, allocated: true, hostOffset: offset },
      { lengthBytes: 512, zero: true, data: false, allocated: true, hostOffset: undefined },
      { lengthBytes: 512, zero: true, data: false, allocated: false, hostOffset: undefined },
    ]);
    const subclusters = Array.from({ length: 32 }, (_, index) =>
      index < 8 ? ('data' as const) : ('unallocated' as const),
    );
    const extendedImage = writeQcow2({
      clusterBits: 14,
      extendedL2: true,
      clusters: [{ kind: 'data', fill: 3, subclusters }],
    });
    const place = extendedImage.bytes.length - 16384;
    expect([...openImage(extendedImage.bytes).blockStatusSync()]).toMatchObject([
      { lengthBytes: 4096, data: true, allocated: true, hostOffset: place },
      { lengthBytes: 12288, zero: true, allocated: false, hostOffset: place + 4096 },
    ]);
  });

  it('maps an empty disk of 8 TiB in one range, whatever is asked between', () => {
    const clusterBits = 16;
    const written = writeQcow2({ clusterBits, clusters: [], sizeBytes: 2 ** 43 });
    const disk = openImage(written.bytes);
    expect([...disk.blockStatusSync()]).toMatchObject([
      { guestOffset: 0, lengthBytes: 2 ** 43, zero: true, allocated: false },
    ]);
    for (const start of [2 ** 42, 5, 2 ** 43 - 1, 2 ** 40 + 3]) {
      const [status] = [...disk.blockStatusSync(start)];
      expect(status!.lengthBytes).toBe(2 ** 43 - start);
    }
  });

  it('asks the host for holes when the image looks preallocated, and not otherwise', () => {
    const clusters = Array.from({ length: 40 }, (_, fill): ClusterSpec => ({ kind: 'data', fill }));
    const bytes = withRefcounts(writeQcow2({ clusters }));
    class SparseStorage extends MemoryStorage {
      allocated = 0;
      override allocatedBytes(): number {
        return this.allocated;
      }
      hostRangeSync(_offset: number, lengthBytes: number) {
        return { data: false, lengthBytes };
      }
    }
    const storage = new SparseStorage(bytes, 'sparse');
    storage.allocated = bytes.length / 2;
    expect([...openImage(storage).blockStatusSync()]).toMatchObject([{ zero: true, data: true }]);
    storage.allocated = bytes.length - 1024;
    expect([...openImage(storage).blockStatusSync()]).toMatchObject([{ zero: false, data: true }]);
  });
});

/** The image with every cluster counted, in a refcount block behind all else. */
function withRefcounts({ bytes, clusterBytes }: WrittenImage): Uint8Array {
  const counted = new Uint8Array(bytes.length + clusterBytes);
  counted.set(bytes);
  const view = new DataView(counted.buffer);
  view.setBigUint64(Number(view.getBigUint64(48)), BigInt(bytes.length));
  for (let cluster = 0; cluster * clusterBytes < counted.length; cluster++) {
    view.setUint16(bytes.length + cluster * 2, 1);
  }
  return counted;
}

describe('decoders', () => {
  it.each([
    { zstd: false, id: 'deflate-raw' },
    { zstd: true, id: 'zstd' },
  ])('of compression type zstd: $zstd is loaded when a compressed cluster is met', (expected) => {
    const decoders = new TestDecoders();
    const clusters: ClusterSpec[] = [
      { kind: 'data', fill: 1 },
      { kind: 'compressed', fill: 2 },
    ];
    const written = writeQcow2({ clusters, zstd: expected.zstd });
    const disk = openImage(written.bytes, { decoders });
    disk.readSync(new Uint8Array(512), 0);
    expect(decoders.loaded).toEqual([]);
    readAll(disk);
    readAll(disk);
    expect(decoders.loaded).toEqual([expected.id]);
  });
});

describe('a decoder that takes its time to load', () => {
  class SlowDecoders extends TestDecoders {
    override *load(id: string): Step<Decoder> {
      yield { runSync: () => {}, run: () => new Promise((resolve) => setImmediate(resolve)) };
      return yield* super.load(id);
    }
  }

  it('does not lose the tables that other reads push out meanwhile', async () => {
    const clusters = Array.from({ length: 300 }, (_, fill): ClusterSpec => ({
      kind: 'compressed',
      fill,
    }));
    const written = writeQcow2({ clusters });
    const limits = { metadataCacheBytes: 512 };
    const disk = openImage(written.bytes, { decoders: new SlowDecoders(), limits });
    const model = modelOf(clusters, 512, written.sizeBytes);
    const reads = [0, 70, 140, 210, 280].map(async (cluster) => {
      const bytes = new Uint8Array(512);
      await disk.read(bytes, cluster * 512);
      expect(firstDifference(bytes, model.slice(cluster * 512, cluster * 512 + 512))).toBe(-1);
    });
    await Promise.all(reads);
  });
});

describe('limits', () => {
  it('bound the L1 table', () => {
    const written = writeQcow2({ clusters: [], sizeBytes: 2 ** 30 });
    const limits = { maxStructureBytes: 2 ** 16 };
    expect(() => openImage(written.bytes, { limits })).toThrowError(/L1 table has 32768 entries/);
    expect(openImage(written.bytes).sizeBytes).toBe(2 ** 30);
  });
});
