import { describe, expect, it } from 'vitest';
import { readU16be, readU32be, readU64be, writeU64be } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { errorOf, firstDifference } from '../support/open-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const CLUSTER = 4096;
const DISK_BYTES = 4 * 1024 * 1024;
const FAR = 2 ** 50;

/** Data, some of it in snapshots as well. */
function imageWithSnapshots(): Uint8Array {
  const files = createImage(new ImageFiles(), DISK_BYTES, { cluster_size: CLUSTER });
  const disk = openWritable(files);
  const { snapshots } = disk.capabilities;
  for (let round = 0; round < 3; round++) {
    disk.writeSync(contentOf(round, 40 * CLUSTER), round * 7 * CLUSTER);
    snapshots!.createSync(`round ${round}`);
  }
  disk.writeSync(contentOf(9, 100_000), 2_000_000);
  disk.closeSync();
  return files.imageBytes;
}

const refcountTable = (image: Uint8Array) => readU64be(image, 48, 'refcount_table_offset');
const firstBlock = (image: Uint8Array) => readU64be(image, refcountTable(image), 'block');
const l1Table = (image: Uint8Array) => readU64be(image, 40, 'l1_table_offset');

function l2Table(image: Uint8Array): number {
  const entry = l1Table(image);
  return (readU32be(image, entry) % 2 ** 24) * 2 ** 32 + readU32be(image, entry + 4);
}

/** Refcounts of the clusters that `image` holds, by its own tables. */
function refcounts(image: Uint8Array): number[] {
  const clusters = Math.floor(image.length / CLUSTER);
  return Array.from({ length: clusters }, (_, at) => readU16be(image, firstBlock(image) + at * 2));
}

function opened(image: Uint8Array, cacheBytes?: number): Uint8Array {
  const files = new ImageFiles(new MemoryStorage(image.slice(), 'image'));
  const limits = cacheBytes === undefined ? {} : { metadataCacheBytes: cacheBytes };
  openWritable(files, { limits }).closeSync();
  return files.imageBytes;
}

function dirty(image: Uint8Array): Uint8Array {
  const copy = image.slice();
  copy[79] = 1;
  return copy;
}

describe('an image that was left dirty', () => {
  it.each([undefined, 1])('gets the refcounts that it should have (cache: %s)', (cacheBytes) => {
    const image = opened(imageWithSnapshots());
    expect(Math.max(...refcounts(image))).toBeGreaterThan(2);
    const damaged = dirty(image);
    const block = firstBlock(image);
    for (let at = block; at < block + CLUSTER; at += 2) damaged[at + 1] = at % 5;
    expect(firstDifference(opened(damaged, cacheBytes), image)).toBe(-1);
  });

  it('gets the COPIED flags that it should have', () => {
    const image = opened(imageWithSnapshots());
    const damaged = dirty(image);
    for (const table of [l1Table(image), l2Table(image)]) {
      for (let at = table; at < table + CLUSTER; at += 8) {
        if (damaged.subarray(at, at + 8).some((byte) => byte !== 0)) damaged[at]! += 0x80;
      }
    }
    expect(firstDifference(opened(damaged), image)).toBe(-1);
  });

  it('gets its missing refcount block', () => {
    const image = opened(imageWithSnapshots());
    const damaged = dirty(image);
    const block = firstBlock(image);
    writeU64be(damaged, refcountTable(image), 0);
    const mended = opened(damaged);
    expect(firstBlock(mended)).toBeGreaterThan(block);
    const expected = refcounts(image);
    expected[block / CLUSTER] = 0;
    expect(refcounts(mended).slice(0, expected.length)).toEqual(expected);
  });

  it.each<[string, (image: Uint8Array) => void]>([
    ['a cluster', (image) => writeU64be(image, l2Table(image), FAR)],
    ['a refcount block', (image) => writeU64be(image, refcountTable(image) + 8, FAR)],
    ['an L2 table', (image) => writeU64be(image, l1Table(image) + 8, FAR)],
    ['a snapshot', (image) => writeU64be(image, readU64be(image, 64, 'snapshots'), FAR)],
  ])('is refused when it refers to %s beyond the file', (_what, refer) => {
    const image = dirty(imageWithSnapshots());
    refer(image);
    const before = image.slice();
    const files = new ImageFiles(new MemoryStorage(image, 'image'));
    const { code, detail } = errorOf(() => openWritable(files));
    expect([code, detail]).toEqual(['corrupt', 'qcow2.dirty-and-damaged']);
    expect(firstDifference(files.imageBytes, before)).toBe(-1);
  });
});
