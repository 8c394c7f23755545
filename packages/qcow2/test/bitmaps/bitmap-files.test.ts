import { expect, it } from 'vitest';
import { contentOf } from '../support/content.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';
import { readU16be, readU64be } from '@diskfile/bytes';

const CLUSTER = 4096;

/** Refcount of the last cluster of a file whose first refcount block counts all of it. */
function lastRefcount(image: Uint8Array): number {
  const block = readU64be(image, readU64be(image, 48, 'table'), 'block');
  return readU16be(image, block + (Math.ceil(image.length / CLUSTER) - 1) * 2);
}

it('does not end in free clusters when bitmaps and snapshots come and go', () => {
  const files = createImage(new ImageFiles(), 1024 * 1024, { cluster_size: CLUSTER });
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 20 * CLUSTER), 0);
  disk.capabilities.bitmaps!.createSync('changes');
  disk.writeSync(contentOf(2, CLUSTER), 50 * CLUSTER);
  disk.capabilities.snapshots!.createSync('one');
  disk.writeSync(contentOf(3, 30 * CLUSTER), 60 * CLUSTER);
  disk.capabilities.resizing!.resizeSync(64 * 1024 * 1024);
  disk.writeSync(contentOf(4, CLUSTER), 60 * 1024 * 1024);
  disk.closeSync();
  expect(lastRefcount(files.imageBytes)).toBe(1);
  const again = openWritable(files);
  again.capabilities.bitmaps!.removeSync('changes');
  again.capabilities.snapshots!.applySync('one');
  again.capabilities.snapshots!.deleteSync('one');
  again.closeSync();
  expect(lastRefcount(files.imageBytes)).toBe(1);
});
