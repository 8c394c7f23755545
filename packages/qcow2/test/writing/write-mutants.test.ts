import { describe, expect, it } from 'vitest';
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { contentOf, mixedContentOf } from '../support/content.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** No image here may grow beyond what an honest one could take. */
const MAX_BYTES = 8 * 1024 * 1024;

class BoundedStorage extends MemoryStorage {
  override truncateSync(sizeBytes: number): void {
    if (sizeBytes > MAX_BYTES) throw new DiskError('no-space', 'test.full', 'the host is full');
    super.truncateSync(sizeBytes);
  }
}

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['version 2', { cluster_size: 512, compat: '0.10' }],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
];

function change(disk: DiskFile, random: () => number): void {
  const offset = Math.floor(random() * disk.sizeBytes);
  const length = Math.min(1 + Math.floor(random() * 20_000), disk.sizeBytes - offset);
  const kind = random();
  if (kind < 0.2) {
    const { compression } = disk.capabilities;
    const start = alignDown(offset, compression!.unitBytes);
    const end = Math.min(alignUp(offset + length, compression!.unitBytes), disk.sizeBytes);
    compression!.writeSync(mixedContentOf(2, end - start), start);
  } else if (kind < 0.5) disk.writeSync(contentOf(1, length), offset);
  else if (kind < 0.7) disk.writeZeroesSync(offset, length);
  else if (kind < 0.9) disk.discardSync(offset, length);
  else disk.flushSync();
}

/** Whether the action was refused; anything but a DiskError is a failure of ours. */
function isRefused(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
    return true;
  }
}

describe('writing into a damaged image', () => {
  it.each(COMBINATIONS)('is refused or done, and ends: %s', (_, options) => {
    const files = createImage(new ImageFiles(), 100_352, options);
    const random = randomFrom(7);
    const original = openWritable(files);
    for (let step = 0; step < 12; step++) change(original, random);
    original.closeSync();
    let refused = 0;
    for (let mutant = 0; mutant < Number(process.env['MUTANT_RUNS'] ?? 150); mutant++) {
      const image = files.imageBytes;
      for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
        // Mostly in the tables, which come first.
        const reach =
          random() < 0.8
            ? Math.min(image.length, 6 * Number(options['cluster_size']))
            : image.length;
        const at = Math.floor(random() * reach);
        image[at] =
          random() < 0.5
            ? image[at]! ^ (1 << Math.floor(random() * 8))
            : Math.floor(random() * 256);
      }
      const damaged = new ImageFiles(new BoundedStorage(image, 'damaged'));
      refused += Number(
        isRefused(() => {
          const disk = openWritable(damaged);
          for (let step = 0; step < 10; step++) isRefused(() => change(disk, random));
          disk.closeSync();
        }),
      );
    }
    expect(refused).toBeGreaterThan(0);
  });
});
