import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import {
  type BatchOperation,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  sliceDisk,
  type Step,
} from '../src/index.ts';
import { CLUSTER, FakeImage } from './support/fake-image.ts';
import { type ClusterKind, WritableFakeImage } from './support/fake-writer.ts';

const KINDS: ClusterKind[] = ['data', 'zero', 'backing', 'encoded'];
/** What the writable image has below it: five clusters of data, the last one cut short. */
const BELOW_CLUSTERS = 5;

function below(): FakeImage {
  const clusters = Array.from({ length: BELOW_CLUSTERS }, (_, slot) => ({
    kind: 'data' as const,
    slot,
    fill: 11,
  }));
  return new FakeImage(clusters, BELOW_CLUSTERS * CLUSTER - 20);
}

interface Fixture {
  readonly image: WritableFakeImage;
  readonly disk: DiskFile;
  readonly model: Uint8Array;
}

function open(image: WritableFakeImage): Fixture {
  const base = below();
  const model = image.model(base.model(new Uint8Array(0)));
  const storages = [...image.storages, ...base.storages];
  const limits = { ...DEFAULT_LIMITS, decodedCacheBytes: CLUSTER * 2 };
  const chain = { layers: [image, base], storages, warnings: [] };
  return { image, disk: createImageDisk(chain, { limits, opening: undefined }), model };
}

const images = fc
  .record({
    clusters: fc.array(fc.constantFrom(...KINDS), { minLength: 4, maxLength: 24 }),
    cutBytes: fc.nat(CLUSTER - 1),
    freshReadsAsZero: fc.boolean(),
    inTeams: fc.boolean(),
  })
  .map((options) => new WritableFakeImage(options));

type Change = 'write' | 'zero' | 'zero-keep' | 'discard' | 'flush';

interface Operation {
  readonly op: Change;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly fill: number;
}

const operation = fc.record({
  op: fc.constantFrom<Change>('write', 'write', 'write', 'zero', 'zero-keep', 'discard', 'flush'),
  guestOffset: fc.nat(24 * CLUSTER),
  lengthBytes: fc.oneof(fc.nat(CLUSTER), fc.nat(10 * CLUSTER)),
  // Below the bytes that images begin with, and none that stands for space not yet written.
  fill: fc.integer({ min: 1, max: 99 }),
});

function clipped(operations: readonly Operation[], sizeBytes: number): Operation[] {
  return operations.map((wanted) => {
    const guestOffset = wanted.guestOffset % sizeBytes;
    const lengthBytes = Math.min(wanted.lengthBytes, sizeBytes - guestOffset);
    return { ...wanted, guestOffset, lengthBytes };
  });
}

function asBatch({ op, guestOffset, lengthBytes, fill }: Operation): BatchOperation {
  if (op === 'flush') return { op };
  if (op === 'discard') return { op, guestOffset, lengthBytes };
  if (op === 'write') return { op, guestOffset, buffer: new Uint8Array(lengthBytes).fill(fill) };
  return { op: 'writeZeroes', guestOffset, lengthBytes, mayUnmap: op === 'zero' };
}

/** What an operation does to plain bytes; a discard clears the clusters that it covers. */
function apply(model: Uint8Array, { op, guestOffset, lengthBytes, fill }: Operation): void {
  const end = guestOffset + lengthBytes;
  if (op === 'write') model.fill(fill, guestOffset, end);
  else if (op === 'zero' || op === 'zero-keep') model.fill(0, guestOffset, end);
  else if (op === 'discard') {
    const first = Math.ceil(guestOffset / CLUSTER) * CLUSTER;
    const last = Math.floor(end / CLUSTER) * CLUSTER;
    if (first < last) model.fill(0, first, last);
  }
}

function performSync(disk: DiskFile, { op, guestOffset, lengthBytes, fill }: Operation): void {
  if (op === 'write') disk.writeSync(new Uint8Array(lengthBytes).fill(fill), guestOffset);
  else if (op === 'flush') disk.flushSync();
  else if (op === 'discard') disk.discardSync(guestOffset, lengthBytes);
  else disk.writeZeroesSync(guestOffset, lengthBytes, { mayUnmap: op === 'zero' });
}

async function perform(
  disk: DiskFile,
  { op, guestOffset, lengthBytes, fill }: Operation,
): Promise<void> {
  if (op === 'write') await disk.write(new Uint8Array(lengthBytes).fill(fill), guestOffset);
  else if (op === 'flush') await disk.flush();
  else if (op === 'discard') await disk.discard(guestOffset, lengthBytes);
  else await disk.writeZeroes(guestOffset, lengthBytes, { mayUnmap: op === 'zero' });
}

async function contentOf(disk: DiskFile): Promise<Uint8Array> {
  const sync = new Uint8Array(disk.sizeBytes).fill(0xee);
  disk.readSync(sync, 0);
  const later = new Uint8Array(disk.sizeBytes).fill(0xee);
  await disk.read(later, 0);
  expect(Buffer.compare(later, sync)).toBe(0);
  return sync;
}

async function expectContent({ disk, image }: Fixture, model: Uint8Array): Promise<void> {
  expect(Buffer.compare(await contentOf(disk), model)).toBe(0);
  expect(image.writer.outstanding).toBe(0);
}

describe('writing through the engine', () => {
  it('equals a byte model, one operation after another, under either driver', async () => {
    await fc.assert(
      fc.asyncProperty(images, fc.array(operation, { maxLength: 25 }), async (image, wanted) => {
        const fixture = open(image);
        const { disk, model } = fixture;
        for (const [index, next] of clipped(wanted, disk.sizeBytes).entries()) {
          if (index % 2 === 0) performSync(disk, next);
          else await perform(disk, next);
          apply(model, next);
          await expectContent(fixture, model);
        }
      }),
    );
  });

  it('equals a byte model in batches, overlapping operations in the order given', async () => {
    const batches = fc.array(fc.array(operation, { maxLength: 20 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(images, batches, async (image, wanted) => {
        const fixture = open(image);
        const { disk, model } = fixture;
        for (const [index, batch] of wanted.entries()) {
          const operations = clipped(batch, disk.sizeBytes);
          for (const next of operations) apply(model, next);
          const seen = new Uint8Array(disk.sizeBytes).fill(0xee);
          const read: BatchOperation = { op: 'read', guestOffset: 0, buffer: seen };
          const all = [...operations.map(asBatch), read];
          const results = index % 2 === 0 ? await disk.submitBatch(all) : disk.submitBatchSync(all);
          expect(results).toEqual(all.map(() => ({ error: undefined })));
          expect(Buffer.compare(seen, model)).toBe(0);
          await expectContent(fixture, model);
        }
      }),
    );
  });

  it('leaves parallel requests as if they had run in some order', async () => {
    await fc.assert(
      fc.asyncProperty(
        images,
        fc.array(operation, { minLength: 64, maxLength: 64 }),
        async (image, wanted) => {
          const fixture = open(image);
          const { disk, model } = fixture;
          const clone = disk.tryClone();
          // Each operation writes a byte of its own, so that it shows which one came last.
          const operations = clipped(wanted, disk.sizeBytes)
            .map((next, index) => ({ ...next, fill: index + 1 }))
            .map((next) =>
              next.op === 'discard' || next.op.startsWith('zero')
                ? { ...next, op: 'write' as const }
                : next,
            );
          const reads: Promise<Uint8Array>[] = [];
          const work = operations.map((next, index) => {
            const handle = index % 2 === 0 ? disk : clone;
            if (index % 8 === 0) reads.push(readAll(handle));
            return perform(handle, next);
          });
          await Promise.all(work);
          const final = await contentOf(disk);
          expectSomeOrder(operations, model, final);
          for (const seen of await Promise.all(reads)) expectOldOrNew(operations, model, seen);
          expect(image.writer.outstanding).toBe(0);
          await clone.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('runs every kind of request beside reads that never see space being reused', async () => {
    const requests = fc.array(operation, { minLength: 10, maxLength: 64 });
    await fc.assert(
      fc.asyncProperty(images, requests, async (image, wanted) => {
        const { disk, model } = open(image);
        const operations = clipped(wanted, disk.sizeBytes);
        const reads: Promise<Uint8Array>[] = [];
        const work = operations.map((next) => {
          reads.push(readAll(disk));
          return perform(disk, next);
        });
        await Promise.all(work);
        for (const seen of await Promise.all(reads)) expectOldOrNew(operations, model, seen);
        expect(image.writer.outstanding).toBe(0);
      }),
    );
  });
});

async function readAll(disk: DiskFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.sizeBytes).fill(0xee);
  await disk.read(bytes, 0);
  return bytes;
}

/** Every byte is the one from before, or what some operation makes of it. */
function expectOldOrNew(
  operations: readonly Operation[],
  before: Uint8Array,
  seen: Uint8Array,
): void {
  for (const [at, byte] of seen.entries()) {
    const possible =
      byte === before[at] ||
      operations.some(({ op, guestOffset, lengthBytes, fill }) => {
        const covers = op !== 'flush' && at >= guestOffset && at < guestOffset + lengthBytes;
        return covers && byte === (op === 'write' ? fill : 0);
      });
    if (!possible) expect.fail(`byte ${at} reads as ${byte}, which nobody wrote`);
  }
}

/**
 * Whoever wrote the last value of a byte ran after all others that wrote that byte. These relations
 * have to fit together: taking away, again and again, one that nobody has to follow empties the set.
 */
function expectSomeOrder(
  operations: readonly Operation[],
  before: Uint8Array,
  final: Uint8Array,
): void {
  const writes = operations.filter(({ op, lengthBytes }) => op === 'write' && lengthBytes > 0);
  const isLast = (write: Operation, left: ReadonlySet<Operation>): boolean => {
    for (let at = write.guestOffset; at < write.guestOffset + write.lengthBytes; at++) {
      const last = writes.find(({ fill }) => fill === final[at])!;
      if (last !== write && left.has(last)) return false;
    }
    return true;
  };
  const left = new Set(writes);
  while (left.size > 0) {
    const next = [...left].find((write) => isLast(write, left));
    if (next === undefined) expect.fail('no order of the writes gives this content');
    left.delete(next);
  }
  for (const [at, byte] of final.entries()) {
    const covered = writes.some((w) => at >= w.guestOffset && at < w.guestOffset + w.lengthBytes);
    if (!covered) expect(byte).toBe(before[at]);
    else expect(writes.some(({ fill }) => fill === byte)).toBe(true);
  }
}

describe('writes into new space that wait together', () => {
  const clusters: ClusterKind[] = Array.from({ length: 12 }, (_, index) => KINDS[index % 4]!);
  const oneByteEach = (offsets: readonly number[]): BatchOperation[] =>
    offsets.map((guestOffset, index) => {
      return { op: 'write', guestOffset, buffer: Uint8Array.of(index + 1) };
    });

  async function submit(inTeams: boolean, operations: readonly BatchOperation[]) {
    const fixture = open(new WritableFakeImage({ clusters, inTeams }));
    const { disk, image, model } = fixture;
    const results = await disk.submitBatch(operations);
    for (const [index, next] of operations.entries()) {
      if (next.op !== 'write' || results[index]!.error !== undefined) continue;
      model.set(next.buffer, next.guestOffset);
    }
    await expectContent(fixture, model);
    return { results, image };
  }

  it('are set aside beside each other where the format allows it', async () => {
    const operations = oneByteEach(clusters.map((_, index) => index * CLUSTER + 5));
    expect((await submit(false, operations)).image.writer.mostOutstanding).toBe(1);
    // All that wait behind the first, but for those whose clusters hold data of their own.
    expect((await submit(true, operations)).image.writer.mostOutstanding).toBeGreaterThan(6);
  });

  it('are not when they concern the same block', async () => {
    const operations = oneByteEach([1, 2, 3, 4, 5, 6].map((at) => CLUSTER + at));
    expect((await submit(true, operations)).image.writer.mostOutstanding).toBe(1);
  });

  it('go on to the end where an allocation holds less than is written', async () => {
    const buffer = new Uint8Array(5 * CLUSTER).fill(3);
    const many: BatchOperation[] = [
      { op: 'write', guestOffset: 10, buffer: Uint8Array.of(9) },
      { op: 'write', guestOffset: CLUSTER + 7, buffer },
      { op: 'write', guestOffset: 7 * CLUSTER + 7, buffer: buffer.subarray(0, 4 * CLUSTER) },
    ];
    const { results } = await submit(true, many);
    expect(results).toEqual(many.map(() => ({ error: undefined })));
  });

  it('fail each by itself, and give back the space of those that do', async () => {
    const { image, disk, model } = open(new WritableFakeImage({ clusters, inTeams: true }));
    const offsets = [1, 2, 5, 6, 9, 10].map((index) => index * CLUSTER);
    image.storage.writesUntilFailure = 4;
    const results = await disk.submitBatch(oneByteEach(offsets));
    const failed = results.flatMap(({ error }, index) => (error === undefined ? [] : [index]));
    expect(failed).toHaveLength(1);
    for (const [index, guestOffset] of offsets.entries()) {
      if (!failed.includes(index)) model[guestOffset] = index + 1;
    }
    await expectContent({ image, disk, model }, model);
    await disk.write(Uint8Array.of(77), offsets[failed[0]!]!);
    model[offsets[failed[0]!]!] = 77;
    await expectContent({ image, disk, model }, model);
  });

  it('reports every failure of a format that links none of them', async () => {
    const fixture = open(new WritableFakeImage({ clusters, inTeams: true }));
    fixture.image.writer.failCommit = true;
    const results = await fixture.disk.submitBatch(
      oneByteEach([1, 2, 5, 6].map((c) => c * CLUSTER)),
    );
    expect(results.map(({ error }) => (error as DiskError).detail)).toEqual(
      results.map(() => 'test.commit'),
    );
    await expectContent(fixture, fixture.model);
  });
});

describe('a host that fails', () => {
  it('at any write leaves what the write did not touch, and no space behind', async () => {
    const operations = fc.array(operation, { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(images, operations, fc.nat(12), async (image, wanted, writes) => {
        const fixture = open(image);
        const { disk, model } = fixture;
        image.storage.writesUntilFailure = writes + 1;
        for (const [index, next] of clipped(wanted, disk.sizeBytes).entries()) {
          let failure: unknown;
          try {
            if (index % 2 === 0) performSync(disk, next);
            else await perform(disk, next);
          } catch (error) {
            failure = error;
          }
          if (failure === undefined) {
            apply(model, next);
          } else {
            expect(failure).toMatchObject({ code: 'io', context: { offset: next.guestOffset } });
            const seen = await contentOf(disk);
            expectOldOrNew([next], model, seen);
            model.set(seen);
          }
          await expectContent(fixture, model);
        }
      }),
    );
  });

  it.each([false, true])('fails one operation of a batch and not the others', async (inTeams) => {
    const clusters: ClusterKind[] = ['data', 'zero', 'zero'];
    const { image, disk } = open(new WritableFakeImage({ clusters, inTeams }));
    image.storage.writesUntilFailure = 2;
    const results = await disk.submitBatch(
      [0, 1, 2].map((index) => ({
        op: 'write' as const,
        guestOffset: index * CLUSTER,
        buffer: new Uint8Array(5).fill(1),
      })),
    );
    expect(results.map(({ error }) => error === undefined)).toEqual([true, false, true]);
    expect(results[1]!.error).toMatchObject({
      code: 'io',
      context: { op: 'write', offset: CLUSTER },
    });
  });

  it('reports why the write failed, not why the space could not be given back', () => {
    const { image, disk } = open(new WritableFakeImage({ clusters: ['zero'] }));
    image.storage.writesUntilFailure = 1;
    const allocate = image.writer.allocate.bind(image.writer);
    image.writer.allocate = function* (...range) {
      const allocation = yield* allocate(...range);
      return { ...allocation, cancel: () => failing() };
    };
    expect(() => disk.writeSync(new Uint8Array(1), 0)).toThrowError(/the host fails/);

    function* failing(): Step<void> {
      throw new DiskError('io', 'test.cancel', 'giving back fails');
    }
  });

  it('to commit fails the write; what the disk reads is what it was', async () => {
    const fixture = open(new WritableFakeImage({ clusters: ['backing', 'zero'] }));
    fixture.image.writer.failCommit = true;
    await expect(fixture.disk.write(new Uint8Array(70).fill(1), 0)).rejects.toMatchObject({
      detail: 'test.commit',
    });
    await expectContent(fixture, fixture.model);
  });
});

describe('space that was freed', () => {
  const spoilt = 0xdd;

  it('is not reused while a read looks at it', async () => {
    const { image, disk } = open(new WritableFakeImage({ clusters: ['data', 'zero', 'zero'] }));
    const old = new Uint8Array(CLUSTER);
    disk.readSync(old, 0);
    // A read that the host takes very long to answer.
    let answer = (): void => {};
    const read = image.storage.read.bind(image.storage);
    image.storage.read = async (dst, offset) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      await read(dst, offset);
    };
    const seen = new Uint8Array(CLUSTER);
    const reading = disk.read(seen, 0);
    image.storage.read = read;
    await disk.discard(0, CLUSTER);
    await disk.flush();
    await disk.write(new Uint8Array(CLUSTER).fill(5), CLUSTER);
    expect(image.writer.reclaims).toBe(0);
    answer();
    await reading;
    expect([...seen]).toEqual([...old]);
    const { sizeBytes } = image.storage;
    await disk.write(new Uint8Array(CLUSTER).fill(6), 2 * CLUSTER);
    expect(image.writer.reclaims).toBe(1);
    // Reused now: the file has not grown.
    expect(image.storage.sizeBytes).toBe(sizeBytes);
    expect(image.storage.bytes.includes(spoilt)).toBe(false);
  });

  it('does not live on in decoded units', async () => {
    const { image, disk, model } = open(new WritableFakeImage({ clusters: ['encoded', 'data'] }));
    const part = new Uint8Array(10);
    disk.readSync(part, 0);
    await disk.discard(0, CLUSTER);
    await disk.flush();
    // Another unit takes the place of the one that was decoded.
    image.storage.writeSync(new Uint8Array(CLUSTER).fill(78), 1);
    image.clusters[0] = { kind: 'encoded', hostOffset: 0 };
    disk.readSync(part, 0);
    expect([...part]).toEqual([...new Uint8Array(10).fill(77)]);
    expect(model[0]).toBe(100);
  });
});

describe('handles on a disk that is written', () => {
  const image = () => new WritableFakeImage({ clusters: ['data', 'zero', 'backing', 'data'] });

  it('see each other’s writes at once', async () => {
    const { disk, model } = open(image());
    const clone = disk.tryClone();
    clone.writeSync(new Uint8Array(100).fill(9), 30);
    model.fill(9, 30, 130);
    expect(Buffer.compare(await contentOf(disk), model)).toBe(0);
    using slice = sliceDisk(disk, { startBytes: 50, lengthBytes: 20 });
    slice.writeSync(new Uint8Array(10).fill(8), 5);
    model.fill(8, 55, 65);
    expect(Buffer.compare(await contentOf(clone), model)).toBe(0);
    expect(() => slice.writeSync(new Uint8Array(10), 11)).toThrowError(/not within/);
    await clone.close();
  });

  it('flush and close the image with the last of them', async () => {
    const { image: written, disk } = open(image());
    const clone = disk.tryClone();
    await disk.close();
    expect([written.storage.flushes, written.writer.closings]).toEqual([0, 0]);
    await clone.close();
    expect([written.storage.flushes, written.writer.closings]).toEqual([1, 1]);
  });

  it('finish writes that are under way before they close', async () => {
    const { image: written, disk } = open(image());
    const writing = disk.write(new Uint8Array(3 * CLUSTER).fill(4), 10);
    const busy = expect.objectContaining({ code: 'busy' });
    expect(() => disk.closeSync()).toThrowError(busy);
    expect(() => disk.writeSync(new Uint8Array(1), 20)).toThrowError(busy);
    expect(() => disk.flushSync()).toThrowError(busy);
    const closing = disk.close();
    await expect(disk.write(new Uint8Array(1), 0)).rejects.toMatchObject({ detail: 'disk.closed' });
    await Promise.all([writing, closing]);
    expect(written.writer.closings).toBe(1);
    expect(written.clusters.every(({ kind }) => kind === 'data')).toBe(true);
  });

  it('refuse what a batch has left to write when they are closed', async () => {
    const { image: written, disk } = open(image());
    const write: BatchOperation = { op: 'write', guestOffset: 70, buffer: new Uint8Array(2) };
    const batch = disk.submitBatch([write, { op: 'flush' }, write]);
    await disk.close();
    const results = await batch;
    expect(results.at(-1)!.error).toMatchObject({ detail: 'disk.closed' });
    expect(written.writer.outstanding).toBe(0);
  });

  it('leave the image unmarked when the last flush fails, and close its files all the same', async () => {
    const { image: written, disk } = open(image());
    let closings = 0;
    written.storage.close = async () => void (closings += 1);
    written.storage.flush = async () => {
      throw new DiskError('no-space', 'test.full', 'the host is full');
    };
    await expect(disk.close()).rejects.toMatchObject({
      code: 'no-space',
      context: { op: 'close' },
    });
    expect([written.writer.closings, closings]).toEqual([0, 1]);
  });
});
