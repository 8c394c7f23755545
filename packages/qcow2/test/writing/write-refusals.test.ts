import { describe, expect, it } from 'vitest';
import { DiskError, readU64be, writeU16be, writeU64be } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { contentOf } from '../support/content.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

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
    ['encrypted images', (image) => (image[35] = 1), 'qcow2.passphrase-missing'],
  ])('%s', (_, damage, detail) => {
    const image = smallImage();
    damage(image);
    expect(errorOf(() => openWritable(filesOf(image))).detail).toBe(detail);
  });
});

describe('reads, and refuses to change, an image with', () => {
  it.each<[string, (image: Uint8Array) => void, string]>([
    ['a refcount table over the header', (image) => writeU64be(image, 48, 0), 'qcow2.overlap'],
    [
      'two names for one refcount block',
      (image) => writeU64be(image, CLUSTER + 8, 2 * CLUSTER),
      'qcow2.overlap',
    ],
    [
      'a refcount block where none can begin',
      (image) => image.fill(0xff, CLUSTER, CLUSTER + 8),
      'qcow2.refcount-block-offset',
    ],
  ])('%s', (_, damage, detail) => {
    const image = smallImage();
    damage(image);
    const before = image.slice();
    const files = filesOf(image);
    const disk = openWritable(files);
    disk.readSync(new Uint8Array(512), 20_480);
    expect(errorOf(() => disk.writeSync(contentOf(2, 100), 20_480)).detail).toBe(detail);
    expect(isMarkedCorrupt(files)).toBe(true);
    disk.closeSync();
    expect(files.imageBytes.slice(CLUSTER)).toEqual(before.slice(CLUSTER));
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

describe('refuses to write into', () => {
  it('an entry that calls subclusters data and has no cluster', () => {
    const clusterBytes = 16_384;
    const options = { cluster_size: clusterBytes, extended_l2: true };
    const built = createImage(new ImageFiles(), 4 * clusterBytes, options);
    const building = openWritable(built);
    building.writeSync(contentOf(1, clusterBytes), clusterBytes);
    building.closeSync();
    const image = built.imageBytes;
    const l2Table = 4 * clusterBytes;
    image.fill(0xff, l2Table + 12, l2Table + 16);
    const files = filesOf(image.slice());
    const disk = openWritable(files);
    const { code, detail } = errorOf(() => disk.writeSync(contentOf(2, 512), 0));
    expect([code, detail]).toEqual(['corrupt', 'qcow2.write-entry-bitmap']);
    expect(isMarkedCorrupt(files)).toBe(true);
    disk.closeSync();
    expect(firstDifference(files.imageBytes.slice(512), image.slice(512))).toBe(-1);
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

  it('stays at the end where the host cannot cut the file, as on a block device', () => {
    const storage = filesOf(smallImage()).image;
    storage.truncateSync(64 * CLUSTER);
    storage.truncateSync = () => {
      throw new DiskError('unsupported', 'storage.device-size', 'a device keeps its size');
    };
    const files = new ImageFiles(storage);
    const disk = openWritable(files);
    disk.writeSync(contentOf(3, 8 * CLUSTER), 0x2000);
    giveUp(disk, 0x2000, 8 * CLUSTER);
    disk.closeSync();
    expect(files.image.sizeBytes).toBe(64 * CLUSTER);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('is not cut off where refcounts are too low and something is there', () => {
    const built = createImage(new ImageFiles(), 40_960, { cluster_size: CLUSTER });
    const building = openWritable(built);
    building.writeSync(contentOf(1, CLUSTER), 0);
    building.flushSync();
    building.writeSync(contentOf(2, CLUSTER), 32_768);
    building.closeSync();
    // The last clusters are the second L2 table and what it maps; both now count as free.
    const image = built.imageBytes;
    const last = image.length / CLUSTER - 1;
    for (const cluster of [last - 1, last]) writeU16be(image, 2 * CLUSTER + cluster * 2, 0);
    const files = filesOf(image);
    const disk = openWritable(files);
    giveUp(disk, 0, CLUSTER);
    disk.closeSync();
    const content = new Uint8Array(CLUSTER);
    openWritable(files, { writable: false }).readSync(content, 32_768);
    expect(content).toEqual(contentOf(2, CLUSTER));
  });

  it('that an entry gave up is not given back where it holds a table', () => {
    const image = smallImage();
    const l2Table = 4 * CLUSTER;
    // The second cluster of the disk is said to be where the L2 table is.
    writeU64be(image, l2Table + 8, l2Table);
    image[l2Table + 8] = 0x80;
    const files = filesOf(image);
    const disk = openWritable(files);
    giveUp(disk, CLUSTER, CLUSTER);
    disk.closeSync();
    const content = new Uint8Array(CLUSTER);
    openWritable(files, { writable: false }).readSync(content, 0);
    expect(content).toEqual(contentOf(1, CLUSTER));
  });
});

/** Discards a range, and lets a flush and the next change give its space back. */
function giveUp(disk: DiskFile, guestOffset: number, lengthBytes: number): void {
  disk.discardSync(guestOffset, lengthBytes);
  disk.flushSync();
  disk.discardSync(guestOffset, lengthBytes);
  disk.flushSync();
}

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

it('refuses more L2 tables than the file has room for, before it holds them all', () => {
  const image = new Uint8Array(64 * CLUSTER);
  image.set(smallImage());
  // A longer L1 table at the end, with another table in each entry.
  const l1Offset = 16 * CLUSTER;
  writeU64be(image, 24, 256 * 32_768);
  writeU64be(image, 40, l1Offset);
  image[38] = 1;
  image[39] = 0;
  for (let entry = 0; entry < 256; entry++) {
    writeU64be(image, l1Offset + entry * 8, (1000 + entry) * CLUSTER);
  }
  const error = errorOf(() => openWritable(filesOf(image)));
  expect(error.detail).toBe('qcow2.l2-tables-beyond-file');
});

it('keeps the space of a raw data file for zeros that must not give it back', () => {
  const files = createImage(new ImageFiles(), 65_536, { data_file: 'data', data_file_raw: true });
  let holes = 0;
  const data = files.others.get('data')!;
  const punch = data.punchHoleSync.bind(data);
  data.punchHoleSync = (offset, lengthBytes) => {
    holes += 1;
    return punch(offset, lengthBytes);
  };
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 65_536), 0);
  disk.writeZeroesSync(0, 65_536, { mayUnmap: false });
  expect(holes).toBe(0);
  expect(readAll(disk).every((byte) => byte === 0)).toBe(true);
  disk.writeZeroesSync(0, 65_536);
  expect(holes).toBe(1);
  disk.closeSync();
});
