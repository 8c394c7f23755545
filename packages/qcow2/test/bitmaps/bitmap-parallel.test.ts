import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const SIZE = 8 * 1024 * 1024;

/** Answers reads only when told to. */
class SlowStorage extends MemoryStorage {
  waiting: (() => void)[] | undefined;

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    const { waiting } = this;
    if (waiting !== undefined) await new Promise<void>((resolve) => waiting.push(resolve));
    this.readSync(dst, offset);
  }
}

describe('a bitmap that is read while it changes', () => {
  it('is what it was, although its clusters have been given up', async () => {
    const storage = new SlowStorage();
    const files = createImage(new ImageFiles(storage), SIZE, { cluster_size: 512 });
    const disk = openWritable(files);
    const bitmaps = disk.capabilities.bitmaps!;
    await bitmaps.create('bits', { granularityBytes: 512 });
    await disk.write(contentOf(1, 512), 1024);
    await bitmaps.disable('bits');
    storage.waiting = [];
    const ranges = bitmaps.dirtyRanges('bits')[Symbol.asyncIterator]();
    const first = ranges.next();
    await new Promise(setImmediate);
    const { waiting } = storage;
    expect(waiting).toHaveLength(1);
    storage.waiting = undefined;
    await bitmaps.clear('bits');
    for (let round = 0; round < 3; round++) {
      await disk.write(new Uint8Array(200_000).fill(0xff), round * 200_000);
      await disk.flush();
    }
    waiting[0]!();
    expect((await first).value).toEqual({ guestOffset: 1024, lengthBytes: 512 });
    expect([...bitmaps.dirtyRangesSync('bits')]).toEqual([]);
    await disk.close();
  });

  it('has every write in it that has returned', async () => {
    const files = createImage(new ImageFiles(), SIZE, { cluster_size: 4096 });
    const disk = openWritable(files);
    const bitmaps = disk.capabilities.bitmaps!;
    await bitmaps.create('bits', { granularityBytes: 4096 });
    const offsets = Array.from({ length: 64 }, (_, index) => ((index * 37) % 64) * 16_384);
    const work = offsets.map((offset, index) =>
      index % 3 === 2 ? disk.discard(offset, 4096) : disk.write(contentOf(index, 4096), offset),
    );
    work.push(bitmaps.create('other'), bitmaps.merge('bits', ['bits']));
    await Promise.all(work);
    const expected = offsets.toSorted((a, b) => a - b);
    const found = [...bitmaps.dirtyRangesSync('bits')].map(({ guestOffset }) => guestOffset);
    expect(found).toEqual(expected);
    await disk.close();
    const again = openWritable(files, { writable: false });
    const stored = [...again.capabilities.bitmaps!.dirtyRangesSync('bits')];
    expect(stored.map(({ guestOffset }) => guestOffset)).toEqual(expected);
  });
});
