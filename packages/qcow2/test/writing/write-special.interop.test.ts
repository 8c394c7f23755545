import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { contentOf } from '../support/content.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { type CreateOptions, ImageFiles, openWritable } from '../support/writable-image.ts';

const SIZE = 1_500_160;

/** Writes here and there, and returns what the disk then holds. */
function scribble(files: ImageFiles, random: () => number): Uint8Array {
  const disk = openWritable(files);
  const model = readAll(disk);
  for (let step = 0; step < 30; step++) {
    const offset = Math.floor(random() * SIZE);
    const range = model.subarray(offset, offset + 1 + Math.floor(random() * 30_000));
    const kind = random();
    if (kind < 0.7) {
      range.set(contentOf(step, range.length));
      disk.writeSync(range, offset);
    } else if (kind < 0.85) {
      range.fill(0);
      disk.writeZeroesSync(offset, range.length, { mayUnmap: kind < 0.8 });
    } else {
      disk.discardSync(offset, range.length);
      disk.readSync(range, offset);
    }
    if (random() < 0.2) disk.flushSync();
  }
  disk.closeSync();
  return model;
}

function load(directory: WorkDirectory, name = 'image'): ImageFiles {
  return new ImageFiles(new MemoryStorage(directory.read(name), name));
}

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['4 KiB clusters', { cluster_size: 4096 }],
  ['512-byte clusters', { cluster_size: 512 }],
  ['version 2', { cluster_size: 4096, compat: '0.10' }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }],
];

describe('writing to an image', () => {
  it.each(COMBINATIONS)('leaves its snapshots as they are: %s', (_, options) => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE, options);
    const random = randomFrom(3);
    for (let round = 0; round < 4; round++) {
      const name = 'image';
      directory.run('qemu-io', '-c', `write -P ${round + 1} ${round * 100_352} 600k`, name);
      directory.run('qemu-img', 'snapshot', '-c', `s${round}`, name);
      const before = directory.contentOf(name);
      const files = load(directory);
      const model = scribble(files, random);
      directory.write(name, files.imageBytes);
      directory.check(name);
      expect(firstDifference(directory.contentOf(name), model)).toBe(-1);
      directory.run('qemu-img', 'convert', '-l', `s${round}`, '-O', 'raw', name, 'snapshot.raw');
      expect(firstDifference(directory.read('snapshot.raw'), before)).toBe(-1);
    }
    for (let round = 0; round < 4; round++) {
      directory.run('qemu-img', 'snapshot', '-d', `s${round}`, 'image');
      directory.check('image');
    }
  });

  it.each([4096, 65_536])('replaces compressed clusters of %i bytes', (cluster) => {
    using directory = new WorkDirectory();
    directory.write('plain', contentOf(4, SIZE));
    const options = ['-c', '-O', 'qcow2', '-o', `cluster_size=${cluster}`];
    directory.run('qemu-img', 'convert', '-f', 'raw', ...options, 'plain', 'image');
    const files = load(directory);
    const model = scribble(files, randomFrom(8));
    directory.write('image', files.imageBytes);
    directory.check('image');
    expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
  });

  it('counts anew what a writer with lazy refcounts left behind', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE, { lazy_refcounts: true, cluster_size: 512 });
    directory.run('qemu-io', '-c', 'write -P 3 100k 300k', 'image');
    directory.run('qemu-img', 'snapshot', '-c', 'one', 'image');
    // "abort" ends the process before anything is closed.
    const aborted = () =>
      directory.run('qemu-io', '-c', 'write -P 5 0 200k', '-c', 'flush', '-c', 'abort', 'image');
    expect(aborted).toThrow();
    const files = load(directory);
    expect(openWritable(files, { writable: false }).info()[0]!.details['dirty']).toBe(true);
    const model = scribble(files, randomFrom(2));
    directory.write('image', files.imageBytes);
    directory.check('image');
    expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
  });
});
