import { describe, expect, it } from 'vitest';
import { readU64be, writeU16be, writeU64be } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { errorOf, firstDifference, readAll } from './support/open-image.ts';
import { contentOf } from './support/content.ts';
import { verifyImage } from './support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from './support/writable-image.ts';

const CLUSTER = 512;

/** An image of small clusters: refcount table at 1, block at 2, L1 at 3, L2 at 4, data at 5. */
function smallImage(options: CreateOptions = {}): Uint8Array {
  const files = createImage(new ImageFiles(), 32_768, { cluster_size: CLUSTER, ...options });
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, CLUSTER), 0);
  disk.closeSync();
  return files.imageBytes;
}

function filesOf(bytes: Uint8Array): ImageFiles {
  return new ImageFiles(new MemoryStorage(bytes, 'image'));
}

function isMarkedCorrupt(files: ImageFiles): boolean {
  return files.imageBytes[79]! % 4 >= 2;
}

describe('refuses to open for writing', () => {
  it.each<[string, (image: Uint8Array) => void, string]>([
    ['what is marked as corrupt', (image) => (image[79] = 2), 'qcow2.marked-corrupt'],
    ['unknown features', (image) => (image[78] = 1), 'qcow2.incompatible-feature'],
    ['encrypted images', (image) => (image[35] = 1), 'qcow2.encrypted'],
    ['an L1 table over the header', (image) => writeU64be(image, 40, 0), 'qcow2.overlap'],
    [
      'two names for one refcount block',
      (image) => writeU64be(image, CLUSTER + 8, 2 * CLUSTER),
      'qcow2.overlap',
    ],
  ])('%s', (_, damage, detail) => {
    const image = smallImage();
    damage(image);
    expect(errorOf(() => openWritable(filesOf(image))).detail).toBe(detail);
  });
});

describe('refuses to overwrite metadata', () => {
  it.each<[string, number]>([
    ['the refcount table', 1],
    ['a refcount block', 2],
    ['the L1 table', 3],
    ['an L2 table', 4],
  ])('an L2 entry that points at %s', (_, cluster) => {
    const image = smallImage();
    const entryAt = 4 * CLUSTER;
    writeU64be(image, entryAt, cluster * CLUSTER);
    image[entryAt] = 0x80;
    const before = image.slice();
    const files = filesOf(image);
    const disk = openWritable(files);
    const { code, detail } = errorOf(() => disk.writeSync(contentOf(2, 100), 10));
    expect([code, detail]).toEqual(['corrupt', 'qcow2.overlap']);
    expect(isMarkedCorrupt(files)).toBe(true);
    expect(errorOf(() => disk.writeSync(contentOf(2, 100), 5000)).code).toBe('corrupt');
    disk.closeSync();
    expect(files.imageBytes.slice(CLUSTER)).toEqual(before.slice(CLUSTER));
  });

  it('a refcount that calls an L2 table free', () => {
    const image = smallImage();
    writeU16be(image, 2 * CLUSTER + 4 * 2, 0);
    const files = filesOf(image);
    const disk = openWritable(files);
    expect(errorOf(() => disk.writeSync(contentOf(2, 100), 5000)).detail).toBe('qcow2.overlap');
    expect(isMarkedCorrupt(files)).toBe(true);
  });

  it('giving up a cluster that nobody counted', () => {
    const image = smallImage();
    writeU16be(image, 2 * CLUSTER + 5 * 2, 0);
    const disk = openWritable(filesOf(image));
    const { code, detail } = errorOf(() => disk.discardSync(0, CLUSTER));
    expect([code, detail]).toEqual(['corrupt', 'qcow2.refcount-too-low']);
  });
});

describe('the header', () => {
  it('loses autoclear bits that nobody here knows, and keeps the others', () => {
    const image = smallImage();
    image[95] = 0x80;
    image[88] = 0x40;
    const files = filesOf(image);
    openWritable(files).closeSync();
    expect(readU64be(files.imageBytes, 88, 'autoclear')).toBe(0);
  });

  it('is dirty while refcounts are lazy, and clean after closing', () => {
    const files = filesOf(smallImage({ lazy_refcounts: true }));
    const disk = openWritable(files);
    expect(files.imageBytes[79]).toBe(0);
    disk.writeSync(contentOf(2, 5000), 5000);
    disk.flushSync();
    expect(files.imageBytes[79]).toBe(1);
    disk.closeSync();
    expect(files.imageBytes[79]).toBe(0);
  });
});

describe('space', () => {
  it('that was given up is used again after a flush, and cut off the end on closing', () => {
    const files = filesOf(smallImage());
    const disk = openWritable(files);
    const before = files.image.sizeBytes;
    disk.writeSync(contentOf(3, 8 * CLUSTER), 0x2000);
    const grown = files.image.sizeBytes;
    expect(grown).toBe(before + 8 * CLUSTER);
    disk.discardSync(0x2000, 8 * CLUSTER);
    disk.flushSync();
    disk.writeSync(contentOf(4, 8 * CLUSTER), 0x4000);
    expect(files.image.sizeBytes).toBe(grown);
    disk.discardSync(0x4000, 8 * CLUSTER);
    disk.closeSync();
    expect(files.image.sizeBytes).toBe(before);
  });
});

describe('a refcount table that moves', () => {
  it.each([false, true])(
    'is named by the header before its old place is used (lazy: %s)',
    (lazy) => {
      const options = { cluster_size: CLUSTER, refcount_bits: 64, lazy_refcounts: lazy };
      const files = createImage(new ImageFiles(), 4 * 1024 * 1024, options);
      const disk = openWritable(files);
      const model = contentOf(9, 3 * 1024 * 1024);
      disk.writeSync(model, 0);
      disk.flushSync();
      const moved = readU64be(files.imageBytes, 48, 'refcount_table_offset');
      expect(moved).toBeGreaterThan(CLUSTER);
      disk.writeSync(model.subarray(0, 300_000), 3 * 1024 * 1024);
      disk.flushSync();
      const crashed = filesOf(files.imageBytes);
      expect(firstDifference(readAll(openWritable(crashed)).subarray(0, model.length), model)).toBe(
        -1,
      );
      expect(verifyImage(crashed.imageBytes).errors).toEqual([]);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
    },
  );
});
