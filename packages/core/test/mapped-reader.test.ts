import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Extent,
  type ExtentKind,
  runAsync,
  runSync,
  sliceDisk,
  type Step,
} from '../src/index.ts';
import {
  CLUSTER,
  CountingStorage,
  type FakeCluster,
  FakeImage,
  TABLE_CLUSTERS,
} from './support/fake-image.ts';

const KINDS: ExtentKind[] = ['data', 'zero', 'backing', 'encoded'];

const layer = fc
  .array(fc.record({ kind: fc.constantFrom(...KINDS), fill: fc.nat(255) }), {
    minLength: 1,
    maxLength: 24,
  })
  .chain((clusters) =>
    fc
      .shuffledSubarray(
        clusters.map((_, index) => index),
        { minLength: clusters.length, maxLength: clusters.length },
      )
      .map((slots) => clusters.map((c, index): FakeCluster => ({ ...c, slot: slots[index]! }))),
  );

/** Chains of up to four layers; the sizes of the lower ones vary and need not end on a cluster. */
const chains = fc
  .tuple(layer, fc.array(fc.tuple(layer, fc.nat(CLUSTER - 1)), { maxLength: 3 }))
  .map(([top, below]) => [
    new FakeImage(top),
    ...below.map(([clusters, cut]) => new FakeImage(clusters, clusters.length * CLUSTER - cut)),
  ]);

function openLayers(layers: FakeImage[]): DiskFile {
  const storages = layers.flatMap(({ storages: own }) => own);
  return createImageDisk(
    { layers, storages, warnings: [] },
    { limits: { ...DEFAULT_LIMITS, decodedCacheBytes: CLUSTER * 2 }, opening: undefined },
  );
}

function modelOf(layers: FakeImage[]): Uint8Array {
  let below = new Uint8Array(0);
  for (const image of layers.toReversed()) below = new Uint8Array(image.model(below));
  return below;
}

const ranges = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(300)), {
  minLength: 1,
  maxLength: 8,
});

function clip(size: number, [from, length]: [number, number]): [number, number] {
  const start = Math.min(size, Math.floor(from * size));
  return [start, Math.min(length, size - start)];
}

describe('reading through layers', () => {
  it('equals a byte model, whatever the ranges and the driver', async () => {
    await fc.assert(
      fc.asyncProperty(chains, ranges, async (layers, wanted) => {
        const model = modelOf(layers);
        const disk = openLayers(layers);
        for (const range of wanted) {
          const [start, length] = clip(model.length, range);
          const expected = model.slice(start, start + length);
          const sync = new Uint8Array(length).fill(0xee);
          disk.readSync(sync, start);
          expect(sync).toEqual(expected);
          const async = new Uint8Array(length).fill(0xee);
          await disk.read(async, start);
          expect(async).toEqual(expected);
        }
      }),
    );
  });

  it('reads batches as it reads single ranges, in any order and overlapping', async () => {
    await fc.assert(
      fc.asyncProperty(chains, ranges, async (layers, wanted) => {
        const model = modelOf(layers);
        const disk = openLayers(layers);
        const operations = wanted.map((range) => {
          const [guestOffset, length] = clip(model.length, range);
          return { op: 'read' as const, guestOffset, buffer: new Uint8Array(length).fill(0xee) };
        });
        const check = () => {
          for (const { guestOffset, buffer } of operations) {
            expect(buffer).toEqual(model.slice(guestOffset, guestOffset + buffer.length));
            buffer.fill(0xee);
          }
        };
        expect(disk.submitBatchSync(operations).every(({ error }) => error === undefined)).toBe(
          true,
        );
        check();
        await disk.submitBatch(operations);
        check();
      }),
    );
  });

  it('tiles any range with block status, and calls zero only what reads as zeros', async () => {
    await fc.assert(
      fc.asyncProperty(
        chains,
        fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2000)),
        async (layers, range) => {
          const model = modelOf(layers);
          const disk = openLayers(layers);
          const [start, length] = clip(model.length, range);
          const statuses = [...disk.blockStatusSync(start, length)];
          let at = start;
          for (const status of statuses) {
            expect(status.guestOffset).toBe(at);
            expect(status.lengthBytes).toBeGreaterThan(0);
            at += status.lengthBytes;
            const bytes = model.subarray(status.guestOffset, at);
            if (status.zero) expect(bytes.every((byte) => byte === 0)).toBe(true);
            expect(status.depth).toBeLessThan(layers.length);
          }
          expect(at).toBe(start + length);
          const again: unknown[] = [];
          for await (const status of disk.blockStatus(start, length)) again.push(status);
          expect(again).toEqual(statuses);
        },
      ),
    );
  });

  it('reads a slice as the disk shifted, and refuses to leave it', () => {
    fc.assert(
      fc.property(chains, fc.nat(400), fc.nat(400), (layers, from, length) => {
        const model = modelOf(layers);
        const startBytes = Math.min(from, model.length);
        const lengthBytes = Math.min(length, model.length - startBytes);
        using slice = sliceDisk(openLayers(layers), { startBytes, lengthBytes });
        const bytes = new Uint8Array(lengthBytes);
        slice.readSync(bytes, 0);
        expect(bytes).toEqual(model.slice(startBytes, startBytes + lengthBytes));
        expect(() => slice.readSync(new Uint8Array(1), lengthBytes)).toThrowError(/not within/);
        const covered = [...slice.blockStatusSync()].reduce((sum, s) => sum + s.lengthBytes, 0);
        expect(covered).toBe(lengthBytes);
      }),
    );
  });
});

describe('block status', () => {
  const cluster = (kind: ExtentKind, slot = 0): FakeCluster => ({ kind, slot, fill: 3 });
  const backed = [cluster('backing'), cluster('backing')];

  it('counts what lies past the end of a short backing image to the image above it', () => {
    const disk = openLayers([new FakeImage(backed), new FakeImage(backed, CLUSTER + 10)]);
    const [below, past] = [...disk.blockStatusSync()];
    expect(below).toMatchObject({ lengthBytes: CLUSTER + 10, depth: 1, allocated: false });
    expect(past).toMatchObject({ lengthBytes: CLUSTER - 10, depth: 0, allocated: false });
  });

  it.each([
    { clusterBytes: CLUSTER, data: true },
    { clusterBytes: 1, data: false },
  ])('calls a hole behind clusters of $clusterBytes bytes data: $data', (expected) => {
    const image = new FakeImage([cluster('data')]);
    Object.assign(image.storages[0]!, {
      hostRangeSync: (offset: number, lengthBytes: number) =>
        offset < 16
          ? { data: false, lengthBytes: Math.min(lengthBytes, 16 - offset) }
          : { data: true, lengthBytes },
    });
    Object.assign(image, { dataMayBeSparse: true });
    Object.assign(image.topology, { clusterBytes: expected.clusterBytes });
    const statuses = [...openLayers([image]).blockStatusSync()];
    expect(statuses).toMatchObject([
      { lengthBytes: 16, zero: true, data: expected.data, hostOffset: 0 },
      { lengthBytes: CLUSTER - 16, zero: false, data: true, hostOffset: 16 },
    ]);
  });

  it('reaches as far as the image can be read, and fails there', async () => {
    const image = new FakeImage(Array.from({ length: 2 * TABLE_CLUSTERS }, () => cluster('zero')));
    const damaged = TABLE_CLUSTERS * CLUSTER;
    image.load = function* load(guestOffset) {
      if (guestOffset >= damaged) throw new DiskError('corrupt', 'test.table', 'It is damaged');
      yield* FakeImage.prototype.load.call(image, guestOffset);
    };
    const disk = openLayers([image]);
    const found: unknown[] = [];
    expect(() => found.push(...disk.blockStatusSync(0, damaged + 1))).toThrowError(/damaged/);
    for (const status of disk.blockStatusSync()) {
      found.push(status);
      break;
    }
    expect(found).toMatchObject([{ guestOffset: 0, lengthBytes: damaged, zero: true }]);
    const rest = disk.blockStatus(damaged, CLUSTER)[Symbol.asyncIterator]();
    await expect(rest.next()).rejects.toThrowError(/damaged/);
  });

  it('says where clusters stand ready that hold nothing yet', () => {
    const image = new FakeImage(backed);
    const storage = image.storages[0]!;
    image.lookup = (guestOffset, lengthBytes, extent) => {
      extent.setBacking(lengthBytes, storage, 1000 + guestOffset);
      return true;
    };
    expect([...openLayers([image]).blockStatusSync()]).toMatchObject([
      { lengthBytes: CLUSTER * 2, zero: true, allocated: false, hostOffset: 1000 },
    ]);
  });
});

describe('layers that keep one table at a time', () => {
  /** Forgets all tables but the last; loading takes a while. */
  class ForgetfulImage extends FakeImage {
    #kept = -1;

    override lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
      const table = Math.floor(guestOffset / CLUSTER / TABLE_CLUSTERS);
      return table === this.#kept && super.lookup(guestOffset, lengthBytes, extent);
    }

    override *load(guestOffset: number): Step<void> {
      yield* super.load(guestOffset);
      yield { runSync: () => {}, run: () => new Promise((resolve) => setImmediate(resolve)) };
      this.#kept = Math.floor(guestOffset / CLUSTER / TABLE_CLUSTERS);
    }
  }

  it('are read by many operations side by side, which push out the tables of each other', async () => {
    const clusters = (kind: ExtentKind) =>
      Array.from({ length: 40 }, (_, slot): FakeCluster => ({ kind, slot, fill: slot }));
    const layers = ['backing', 'backing', 'data'].map(
      (kind) => new ForgetfulImage(clusters(kind as ExtentKind)),
    );
    const model = modelOf(layers);
    const disk = openLayers(layers);
    const reads = Array.from({ length: 40 }, async (_, index) => {
      const bytes = new Uint8Array(CLUSTER);
      await disk.read(bytes, index * CLUSTER);
      expect(bytes).toEqual(model.slice(index * CLUSTER, (index + 1) * CLUSTER));
    });
    await Promise.all(reads);
  });
});

describe('batches', () => {
  const cluster = (kind: ExtentKind, slot: number): FakeCluster => ({ kind, slot, fill: 3 });

  it('refuse as a whole when one range is bad, before anything is read', () => {
    const image = new FakeImage([cluster('data', 0)]);
    const disk = openLayers([image]);
    const good = new Uint8Array(4).fill(0xee);
    const operations = [
      { op: 'read' as const, guestOffset: 0, buffer: good },
      { op: 'read' as const, guestOffset: CLUSTER - 1, buffer: new Uint8Array(2) },
    ];
    expect(() => disk.submitBatchSync(operations)).toThrowError(/not within/);
    expect(good).toEqual(new Uint8Array(4).fill(0xee));
  });

  it('let one operation fail and the others succeed', async () => {
    const broken = new FakeImage([cluster('data', 0), cluster('encoded', 1), cluster('data', 2)]);
    Object.defineProperty(broken, 'storages', { value: [new BrokenAt(CLUSTER + 8)] });
    const disk = openLayers([broken]);
    const operations = [0, 1, 2].map((index) => ({
      op: 'read' as const,
      guestOffset: index * CLUSTER,
      buffer: new Uint8Array(CLUSTER),
    }));
    const results = await disk.submitBatch(operations);
    expect(results.map(({ error }) => error === undefined)).toEqual([true, false, true]);
    expect(results[1]!.error).toMatchObject({ name: 'DiskError', code: 'corrupt' });
  });

  it('make one host read of neighbours', () => {
    const image = new FakeImage([cluster('encoded', 0), cluster('encoded', 1)]);
    const disk = openLayers([image]);
    disk.readSync(new Uint8Array(CLUSTER * 2), 0);
    expect((image.storages[0] as CountingStorage).reads).toBe(1);
  });
});

/** Zeros, but a wrong length byte at one place. */
class BrokenAt extends CountingStorage {
  constructor(at: number) {
    const bytes = new Uint8Array(1024);
    bytes[at] = 1;
    super(bytes);
  }
}

describe('handles', () => {
  const image = () => new FakeImage([{ kind: 'data', slot: 0, fill: 1 }]);

  it('close the storages with the last clone, once', async () => {
    const layers = [image()];
    const disk = openLayers(layers);
    const clone = disk.tryClone();
    await disk.close();
    await disk.close();
    expect((layers[0]!.storages[0] as CountingStorage).closings).toBe(0);
    clone.readSync(new Uint8Array(1), 0);
    clone.closeSync();
    expect((layers[0]!.storages[0] as CountingStorage).closings).toBe(1);
  });

  it('refuse everything once closed', async () => {
    const disk = openLayers([image()]);
    disk.closeSync();
    expect(() => disk.readSync(new Uint8Array(1), 0)).toThrowError(/closed/);
    await expect(disk.read(new Uint8Array(1), 0)).rejects.toThrowError(/closed/);
    expect(() => disk.tryClone()).toThrowError(/closed/);
    expect(() => [...disk.blockStatusSync()]).toThrowError(/closed/);
  });

  it('refuse offsets that are no whole numbers within the disk', async () => {
    const disk = openLayers([image()]);
    for (const offset of [-1, 0.5, Number.NaN, CLUSTER, 2 ** 60]) {
      await expect(disk.read(new Uint8Array(1), offset)).rejects.toMatchObject({
        code: 'out-of-range',
      });
    }
  });
});

describe('steps', () => {
  it('surface errors of host calls inside the body, under both drivers', async () => {
    function* body() {
      try {
        yield {
          runSync: () => {
            throw new Error('sync');
          },
          run: () => Promise.reject(new Error('async')),
        };
        return 'no error';
      } catch (error) {
        return (error as Error).message;
      }
    }
    expect(runSync(body())).toBe('sync');
    expect(await runAsync(body())).toBe('async');
  });
});
