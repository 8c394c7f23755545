import { describe, expect, it } from 'vitest';
import { alignDown, alignUp } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { contentOf, mixedContentOf } from '../support/content.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** Answers after a random number of turns, so that requests overtake each other. */
class SlowStorage extends MemoryStorage {
  readonly #random = randomFrom(6);

  async #wait(most = 6): Promise<void> {
    for (let turns = Math.floor(this.#random() * most); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Some reads take long enough for much to happen to what they read. */
  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#wait(this.#random() < 0.3 ? 200 : 6);
    this.readSync(dst, offset);
    await this.#wait();
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#wait();
    this.writeSync(src, offset);
    await this.#wait();
  }

  override async flush(): Promise<void> {
    await this.#wait();
  }
}

/** With what share of the writes is compressed. */
const COMBINATIONS: [name: string, options: CreateOptions, compressedShare?: number][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
  ['preallocated', { cluster_size: 1024, preallocation: 'metadata' }],
  ['compressed', { cluster_size: 1024 }, 0.6],
  ['compressed, all writes', { cluster_size: 2048 }, 1],
  ['compressed, extended L2', { cluster_size: 16_384, extended_l2: true }, 0.6],
];

describe('requests side by side', () => {
  it.each(COMBINATIONS)(
    'take effect in the order they came: %s',
    async (_, options, compressedShare = 0) => {
      const files = createImage(new ImageFiles(new SlowStorage()), 200_192, options);
      const disk = openWritable(files, { limits: { metadataCacheBytes: 16_384 } });
      const clone = disk.tryClone();
      const random = randomFrom(2);
      const model = new Uint8Array(disk.sizeBytes);
      for (let round = 0; round < 6; round++) {
        const pending: Promise<void>[] = [];
        for (let step = 0; step < 64; step++) {
          const handle = random() < 0.5 ? disk : clone;
          const offset = Math.floor(random() * model.length);
          const range = model.subarray(offset, offset + 1 + Math.floor(random() * 9000));
          const kind = random();
          if (kind < 0.6 && random() < compressedShare) {
            const { clusterBytes } = disk.topology;
            const start = alignDown(offset, clusterBytes);
            const units = model.subarray(start, alignUp(offset + range.length, clusterBytes));
            units.set(mixedContentOf(round * 64 + step, units.length));
            pending.push(handle.capabilities.compression!.write(units.slice(), start));
          } else if (kind < 0.6) {
            range.set(contentOf(round * 64 + step, range.length));
            pending.push(handle.write(range.slice(), offset));
          } else if (kind < 0.8) {
            range.fill(0);
            const unmap = { mayUnmap: random() < 0.5 };
            pending.push(handle.writeZeroes(offset, range.length, unmap));
          } else if (kind < 0.9) pending.push(handle.read(new Uint8Array(range.length), offset));
          else pending.push(handle.flush());
        }
        await Promise.all(pending);
        const found = new Uint8Array(model.length);
        await clone.read(found, 0);
        expect(firstDifference(found, model)).toBe(-1);
      }
      await clone.close();
      await disk.close();
      expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
      expect(firstDifference(readAll(openWritable(files, { writable: false })), model)).toBe(-1);
    },
  );

  it('leave what is read beside them old or new, never another place of the disk', async () => {
    const files = createImage(new ImageFiles(new SlowStorage()), 10_240, { cluster_size: 512 });
    const disk = openWritable(files);
    // Each place only ever holds zeros or its own mark.
    const markOf = (sector: number) => 1 + (sector % 250);
    const random = randomFrom(4);
    const sectors = disk.sizeBytes / 512;
    const checkRead = async (sector: number) => {
      const found = new Uint8Array(512);
      await disk.read(found, sector * 512);
      expect([0, markOf(sector)]).toContain(found[100]);
    };
    for (let round = 0; round < 40; round++) {
      const pending: Promise<void>[] = [];
      for (let step = 0; step < 40; step++) {
        const sector = Math.floor(random() * sectors);
        const kind = random();
        if (kind < 0.3) {
          pending.push(disk.write(new Uint8Array(512).fill(markOf(sector)), sector * 512));
        } else if (kind < 0.5) pending.push(disk.discard(sector * 512, 512));
        else if (kind < 0.9) pending.push(checkRead(sector));
        else pending.push(disk.flush());
      }
      await Promise.all(pending);
    }
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });
});
