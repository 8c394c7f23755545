/** Amending, emptying and renaming damaged images: refused or done, in bounded time and space. */
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, type FormatOptions, MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const SIZE = 100_352;
/** No image here may grow beyond what an honest one could take. */
const MAX_BYTES = 8 * 1024 * 1024;

class BoundedStorage extends MemoryStorage {
  override truncateSync(sizeBytes: number): void {
    if (sizeBytes > MAX_BYTES) throw new DiskError('no-space', 'test.full', 'the host is full');
    super.truncateSync(sizeBytes);
  }
}

const AMENDMENTS: readonly FormatOptions[] = [
  { compat: '0.10' },
  { compat: '1.1' },
  { refcount_bits: 1 },
  { refcount_bits: 64 },
  { lazy_refcounts: true, refcount_bits: 2 },
  { size: 204_800 },
];

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['version 2', { cluster_size: 512, compat: '0.10' }],
  ['1-bit refcounts', { cluster_size: 1024, refcount_bits: 1 }],
  ['over backing', { cluster_size: 512, backing_file: 'base', backing_fmt: 'raw' }],
];

function filesOf(image: Uint8Array | undefined): ImageFiles {
  const files = new ImageFiles(new BoundedStorage(image ?? new Uint8Array(0), 'image'));
  files.others.set('base', new MemoryStorage(contentOf(5, SIZE), 'base'));
  return files;
}

function makeImage(options: CreateOptions): Uint8Array {
  const files = createImage(filesOf(undefined), SIZE, options);
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 30_000), 5000);
  if (options['refcount_bits'] !== 1) disk.capabilities.snapshots!.createSync('kept');
  disk.writeZeroesSync(10_240, 8192, { mayUnmap: false });
  disk.writeSync(contentOf(2, 9000), 60_000);
  disk.closeSync();
  return files.imageBytes;
}

function act({ capabilities }: DiskFile, random: () => number): void {
  const kind = random();
  if (kind < 0.2) capabilities.backing!.dropContentSync();
  else if (kind < 0.3) capabilities.backing!.setReferenceSync({ name: 'base', format: 'raw' });
  else capabilities.amending!.amendSync(AMENDMENTS[Math.floor(random() * AMENDMENTS.length)]!);
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

describe('a damaged image is amended, or that is refused', () => {
  it.each(COMBINATIONS)('%s', (_, options) => {
    const random = randomFrom(11);
    const original = makeImage(options);
    const outcomes = { refused: 0, done: 0 };
    for (let mutant = 0; mutant < Number(process.env['MUTANT_RUNS'] ?? 150); mutant++) {
      const image = original.slice();
      for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
        const at = Math.floor(random() * image.length);
        image[at] = random() < 0.5 ? image[at]! ^ (1 << (at % 8)) : Math.floor(random() * 256);
      }
      isRefused(() => {
        const disk = openWritable(filesOf(image));
        for (let step = 0; step < 4; step++) {
          outcomes[isRefused(() => act(disk, random)) ? 'refused' : 'done'] += 1;
        }
        disk.readSync(new Uint8Array(1000), 20_000);
        disk.closeSync();
      });
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.done).toBeGreaterThan(0);
  });
});
