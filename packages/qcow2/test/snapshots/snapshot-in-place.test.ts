import { describe, expect, it } from 'vitest';
import { type DiskError, readU32be, readU64be } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import { errorOf, firstDifference } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const MEBIBYTE = 1024 * 1024;
const SIZE_BYTES = 4 * MEBIBYTE;
const SMALL: CreateOptions = { cluster_size: 512 };
/** Places whose L1 entries lie in different sectors, where clusters have 512 bytes. */
const PLACES = [0, 3 * MEBIBYTE] as const;
const CLEAN = { errors: [], leaks: [] };

const isDirty = (image: Uint8Array) => readU32be(image, 76) % 2 === 1;
const l1Offset = (image: Uint8Array) => readU64be(image, 40, 'l1_table_offset');

/** An image with one snapshot, and other content since. */
function imageWithSnapshot(storage: MemoryStorage): ImageFiles {
  const files = createImage(new ImageFiles(storage), SIZE_BYTES, SMALL);
  const disk = openWritable(files);
  for (const place of PLACES) disk.writeSync(contentOf(1, 512), place);
  disk.capabilities.snapshots!.createSync('first');
  for (const place of PLACES) disk.writeSync(contentOf(2, 512), place);
  disk.closeSync();
  return files;
}

/** Which content a disk has, by the number that it was made of. */
function contentAt(files: ImageFiles, writable: boolean): number[] {
  const disk = openWritable(files, { writable });
  const found = PLACES.map((place) => {
    const bytes = new Uint8Array(512);
    disk.readSync(bytes, place);
    return [1, 2].find((seed) => firstDifference(bytes, contentOf(seed, 512)) === -1) ?? 0;
  });
  disk.closeSync();
  return found;
}

describe('an L1 table of which several sectors change', () => {
  it('changes at one instant, and stays where it is', () => {
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = imageWithSnapshot(storage);
    const before = l1Offset(files.imageBytes);
    const disk = openWritable(files);
    const random = randomFrom(1);
    const seen = new Set<string>();
    storage.onOperation = () => {
      for (const share of [0, 0.5, 1, random(), random()]) {
        const image = storage.crashed(() => random() < share);
        const left = new ImageFiles(new MemoryStorage(image, 'crashed'));
        // As it lies there, and after the repair that opening it for writing is.
        const found = contentAt(left, false);
        expect(contentAt(left, true)).toEqual(found);
        expect(verifyImage(left.imageBytes).errors).toEqual([]);
        seen.add(found.join());
      }
    };
    disk.capabilities.snapshots!.applySync('first');
    storage.onOperation = () => {};
    expect([...seen].toSorted()).toEqual(['1,1', '2,2']);
    disk.closeSync();
    expect(l1Offset(files.imageBytes)).toBe(before);
    expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
  });
});

describe('a host that fails while an L1 table changes', () => {
  it('leaves the old content or the new one, and a disk that works on', () => {
    for (let failAt = 0, isOver = false; !isOver; failAt++) {
      const storage = new CrashStorage(new Uint8Array(0), 'image');
      const files = imageWithSnapshot(storage);
      const disk = openWritable(files);
      storage.failAt = storage.operations + failAt;
      storage.failures = 1 + (failAt % 3);
      try {
        disk.capabilities.snapshots!.applySync('first');
        isOver = true;
      } catch (error) {
        expect((error as DiskError).detail).toBe('test.fault');
      }
      storage.failAt = undefined;
      disk.flushSync();
      const left = new ImageFiles(new MemoryStorage(files.imageBytes, 'left'));
      expect([[1, 1].join(), [2, 2].join()]).toContain(contentAt(left, false).join());
      disk.writeSync(contentOf(1, 512), PLACES[0]);
      disk.writeSync(contentOf(1, 512), PLACES[1]);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
      expect(contentAt(files, false)).toEqual([1, 1]);
      disk.closeSync();
    }
  });
});

describe('a change of counts that fails half way', () => {
  /** Fails each operation of a deletion from a certain one on, for as long as `failures`. */
  function failing(failAt: number, failures: number) {
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = imageWithSnapshot(storage);
    const disk = openWritable(files);
    storage.failAt = storage.operations + failAt;
    storage.failures = failures;
    return { storage, files, disk };
  }

  /** How many operations there are until the header says that it is dirty. */
  function operationsUntilDirty(): number {
    const { storage, files, disk } = failing(Infinity, 0);
    const first = storage.operations;
    let count = 0;
    storage.onOperation = () => {
      if (count === 0 && isDirty(files.imageBytes)) count = storage.operations - first;
    };
    disk.capabilities.snapshots!.deleteSync('first');
    storage.onOperation = () => {};
    return count;
  }

  it.each(['write', 'flush', 'close'] as const)('is put right by the next %s', (next) => {
    const { storage, files, disk } = failing(operationsUntilDirty() + 1, 1);
    const { detail } = errorOf(() => disk.capabilities.snapshots!.deleteSync('first'));
    expect(detail).toBe('test.fault');
    expect(isDirty(files.imageBytes)).toBe(true);
    storage.failAt = undefined;
    if (next === 'write') {
      disk.writeSync(contentOf(1, 512), 2 * MEBIBYTE);
      expect(isDirty(files.imageBytes)).toBe(false);
    }
    if (next === 'flush') {
      disk.flushSync();
      expect(isDirty(files.imageBytes)).toBe(false);
    }
    disk.closeSync();
    expect(isDirty(files.imageBytes)).toBe(false);
    expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
    expect(contentAt(files, false)).toEqual([2, 2]);
    expect(openWritable(files).capabilities.snapshots!.list()).toHaveLength(1);
  });

  it('leaves the dirty bit where the host goes on failing', () => {
    const { files, disk } = failing(operationsUntilDirty() + 1, Infinity);
    expect(errorOf(() => disk.capabilities.snapshots!.deleteSync('first')).detail).toBe(
      'test.fault',
    );
    expect(errorOf(() => disk.writeSync(contentOf(1, 512), 0)).detail).toBe('test.fault');
    expect(errorOf(() => disk.closeSync()).detail).toBe('test.fault');
    expect(isDirty(files.imageBytes)).toBe(true);
    const left = new ImageFiles(new MemoryStorage(files.imageBytes, 'left'));
    expect(contentAt(left, true)).toEqual([2, 2]);
    expect(verifyImage(left.imageBytes)).toEqual(CLEAN);
  });
});
