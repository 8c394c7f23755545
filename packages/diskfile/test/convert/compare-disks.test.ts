/** Comparisons: whatever is read when, the first difference on the disks is the one that counts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareDisks,
  compareDisksSync,
  DiskError,
  MemoryStorage,
  openDiskFileSync,
} from '../../dist/index.js';

const MIB = 1024 * 1024;
const SIZE_BYTES = 9 * MIB + 512;

/** Zeros as reads find them, and reads that fail from an offset on. */
class FailingStorage extends MemoryStorage {
  failsFrom = Number.POSITIVE_INFINITY;

  override readSync(dst: Uint8Array, offset: number): void {
    if (offset + dst.length > this.failsFrom) throw new Error('a bad sector');
    super.readSync(dst, offset);
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    this.readSync(dst, offset);
  }
}

function storageOf(fill: (bytes: Uint8Array) => void, sizeBytes = SIZE_BYTES): FailingStorage {
  const bytes = new Uint8Array(sizeBytes).fill(5);
  fill(bytes);
  const storage = new FailingStorage();
  storage.writeSync(bytes, 0);
  return storage;
}

const open = (storage: FailingStorage) => openDiskFileSync(storage, { format: 'raw' });

describe('the first difference', () => {
  const places = fc.uniqueArray(fc.integer({ min: 0, max: SIZE_BYTES - 1 }), { maxLength: 4 });
  it('is found, whatever else differs', async () => {
    await fc.assert(
      fc.asyncProperty(places, async (differing) => {
        using one = open(storageOf(() => {}));
        using other = open(
          storageOf((bytes) => {
            for (const at of differing) bytes[at] = 6;
          }),
        );
        const guestOffset = differing.length === 0 ? undefined : Math.min(...differing);
        const expected = { identical: differing.length === 0, guestOffset };
        expect(compareDisksSync(one, other)).toMatchObject(expected);
        expect(await compareDisks(one, other)).toMatchObject(expected);
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ['before what cannot be read', 4 * MIB, 2 * MIB],
    ['in the piece before it', 4 * MIB, 4 * MIB - 1],
  ])('counts when it is %s', async (_, failsFrom, differsAt) => {
    using one = open(storageOf(() => {}));
    const broken = storageOf((bytes) => bytes.fill(6, differsAt));
    using other = open(broken);
    broken.failsFrom = failsFrom;
    expect(compareDisksSync(one, other).guestOffset).toBe(differsAt);
    expect((await compareDisks(one, other)).guestOffset).toBe(differsAt);
  });

  it('is not said to be behind what cannot be read', async () => {
    using one = open(storageOf(() => {}));
    const broken = storageOf((bytes) => bytes.fill(6, 5 * MIB));
    using other = open(broken);
    broken.failsFrom = 2 * MIB;
    expect(() => compareDisksSync(one, other)).toThrow('a bad sector');
    await expect(compareDisks(one, other)).rejects.toThrow('a bad sector');
  });

  it('of what cannot be read is told with the request', async () => {
    using one = open(storageOf(() => {}));
    const broken = storageOf(() => {});
    broken.readSync = () => {
      throw new DiskError('io', 'test.fault', 'a bad sector');
    };
    using other = open(broken);
    const context = { request: 'read', guestOffset: 0, operand: 1 };
    expect(() => compareDisksSync(one, other)).toThrow(
      expect.objectContaining({ context: expect.objectContaining(context) }),
    );
  });

  it('is at the end of the shorter disk where the longer one has data', async () => {
    using one = open(storageOf(() => {}, 2 * MIB));
    using other = open(storageOf((bytes) => bytes.fill(0, 2 * MIB, 3 * MIB + 7), 4 * MIB));
    const expected = { identical: false, sizesDiffer: true, guestOffset: 3 * MIB + 7 };
    expect(compareDisksSync(one, other)).toMatchObject(expected);
    expect(await compareDisks(one, other)).toMatchObject(expected);
  });
});

it('tells how far it is, and can be called off', async () => {
  using one = open(storageOf(() => {}));
  using other = open(storageOf(() => {}));
  const reached: number[] = [];
  await compareDisks(one, other, { onProgress: ({ doneBytes }) => void reached.push(doneBytes) });
  expect(reached).toEqual(reached.toSorted((a, b) => a - b));
  expect(reached.at(-1)).toBe(SIZE_BYTES);
  expect(reached.length).toBeGreaterThan(5);
  const controller = new AbortController();
  const work = compareDisks(one, other, {
    signal: controller.signal,
    onProgress: ({ doneBytes }) => {
      if (doneBytes > 3 * MIB) controller.abort();
    },
  });
  await expect(work).rejects.toMatchObject({ code: 'aborted' });
});
