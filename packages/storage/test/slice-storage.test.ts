import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { MemoryStorage, openFileStorage, sliceStorage } from '../src/index.ts';
import { expectReads, readsOf } from './support/model.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();
const SIZE = 3000;
const content = pattern(SIZE);
const path = writeTemp(directory, 'content.img', content);

const slice = fc.nat(SIZE).chain((offset) =>
  fc.nat(SIZE - offset).chain((lengthBytes) =>
    fc.record({
      offset: fc.constant(offset),
      lengthBytes: fc.constant(lengthBytes),
      reads: fc.array(readsOf(lengthBytes), { minLength: 1 }),
    }),
  ),
);

describe('a slice', () => {
  it('reads as its window of the storage, with zeros past its own end', async () => {
    await fc.assert(
      fc.asyncProperty(slice, async ({ offset, lengthBytes, reads }) => {
        const storage = sliceStorage(runSync(openFileStorage(path)), offset, lengthBytes);
        expect(storage.sizeBytes).toBe(lengthBytes);
        for (const read of reads) {
          await expectReads(storage, content.subarray(offset, offset + lengthBytes), read);
        }
        await storage.close();
      }),
    );
  });

  it('reaches to the end of the storage by default', () => {
    expect(sliceStorage(new MemoryStorage(content), 1000).sizeBytes).toBe(SIZE - 1000);
    expect(sliceStorage(new MemoryStorage(content), SIZE).sizeBytes).toBe(0);
  });

  it.each([
    [SIZE + 1, undefined],
    [0, SIZE + 1],
    [SIZE, 1],
    [-1, 10],
    [0, -1],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [0.5, 1],
    [Number.NaN, 1],
  ])('of %d and %d bytes does not fit', (offset, lengthBytes) => {
    expect(() => sliceStorage(new MemoryStorage(content), offset, lengthBytes)).toThrowError(
      expect.objectContaining({ code: 'out-of-range', detail: 'storage.slice-range' }),
    );
  });

  it('is the same host object only as the same window', () => {
    const file = runSync(openFileStorage(path));
    const identities = [
      file.identity,
      sliceStorage(file, 0, 512).identity,
      sliceStorage(file, 512, 512).identity,
      sliceStorage(file, 0, 1024).identity,
    ];
    expect(new Set(identities).size).toBe(4);
    expect(sliceStorage(file, 512, 512).identity).toBe(identities[2]);
    expect(sliceStorage(new MemoryStorage(content), 0, 1).identity).toBeUndefined();
    file.closeSync();
  });

  it('closes the storage it was made of', () => {
    const file = runSync(openFileStorage(path));
    sliceStorage(file, 0, 512).closeSync();
    expect(() => file.readSync(new Uint8Array(1), 0)).toThrowError(
      expect.objectContaining({ detail: 'storage.closed' }),
    );
  });

  it('tells holes within its window only', () => {
    const asked: number[][] = [];
    const inner = Object.assign(new MemoryStorage(content), {
      hostRangeSync: (offset: number, lengthBytes: number) => {
        asked.push([offset, lengthBytes]);
        return { data: false, lengthBytes };
      },
    });
    const window = sliceStorage(inner, 1000, 500);
    expect(window.hostRangeSync!(400, 300)).toEqual({ data: false, lengthBytes: 100 });
    expect(asked).toEqual([[1400, 100]]);
    expect(window.hostRangeSync!(500, 300)).toEqual({ data: false, lengthBytes: 300 });
    const blind = sliceStorage(new MemoryStorage(content), 1000, 500);
    expect(blind.hostRangeSync!(0, 300)).toEqual({ data: true, lengthBytes: 300 });
  });
});
