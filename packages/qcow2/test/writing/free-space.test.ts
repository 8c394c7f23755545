import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { expect, it } from 'vitest';
import { contentOf } from '../support/content.ts';
import { verifyImage } from '../support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const CLUSTER = 512;
/** Refcounts of 64 bits: so many of them make a block. */
const BLOCK_CLUSTERS = 64;

class AgeingHost extends MemoryStorage {
  isWorn = false;

  override readSync(dst: Uint8Array, offset: number): void {
    if (this.isWorn) throw new DiskError('io', 'test.worn', 'the host cannot read any more');
    super.readSync(dst, offset);
  }
}

it('can flush and close although nobody can tell any more whether what was given up is free', () => {
  const host = new AgeingHost();
  const options = { cluster_size: CLUSTER, refcount_bits: 64 };
  const files = createImage(new ImageFiles(host), 2 ** 20, options);
  const disk = openWritable(files, { limits: { metadataCacheBytes: 4096 } });
  const half = 10 * BLOCK_CLUSTERS * CLUSTER;
  disk.writeSync(contentOf(1, 2 * half), 0);
  disk.flushSync();
  disk.discardSync(0, half);
  disk.flushSync();
  // Other refcounts take the places of those in memory.
  disk.writeZeroesSync(2 * half - CLUSTER, CLUSTER);
  disk.writeSync(contentOf(2, CLUSTER), 0);
  disk.flushSync();
  disk.discardSync(half, half / 2);
  disk.flushSync();
  disk.writeSync(contentOf(3, CLUSTER), 2 * half - 2 * CLUSTER);
  host.isWorn = true;
  expect(() => disk.flushSync()).not.toThrow();
  expect(() => disk.closeSync()).not.toThrow();

  host.isWorn = false;
  const again = openWritable(files, { writable: false });
  const read = new Uint8Array(CLUSTER);
  again.readSync(read, 2 * half - 2 * CLUSTER);
  expect(read).toEqual(contentOf(3, CLUSTER));
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
});

it('gives back what a write had put on the host before that was full', () => {
  const CAPACITY = 4 * 2 ** 20;
  class SmallHost extends MemoryStorage {
    holes = 0;

    override writeSync(src: Uint8Array, offset: number): void {
      const room = CAPACITY - offset;
      if (src.length <= room) return super.writeSync(src, offset);
      super.writeSync(src.subarray(0, room), offset);
      throw new DiskError('no-space', 'test.full', 'the host is full');
    }

    override punchHoleSync(offset: number, lengthBytes: number): boolean {
      this.holes += lengthBytes;
      return super.punchHoleSync(offset, lengthBytes);
    }
  }
  const host = new SmallHost();
  const files = createImage(new ImageFiles(host), 2 ** 24);
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 2 ** 20), 0);
  disk.flushSync();
  const before = host.sizeBytes;
  const full = expect.objectContaining({ detail: 'test.full' }) as Error;
  expect(() => disk.writeSync(contentOf(2, 2 ** 23), 2 ** 21)).toThrowError(full);
  expect(host.sizeBytes).toBe(CAPACITY);
  disk.flushSync();
  expect(host.holes).toBe(CAPACITY - before);
  disk.writeSync(contentOf(3, 2 ** 16), 2 ** 21);
  disk.closeSync();
  expect(host.sizeBytes).toBeLessThanOrEqual(before + 2 ** 17);
  expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
});
