import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { contentOf } from '../support/content.ts';
import { WorkDirectory } from '../support/qemu.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const BASE = contentOf(5, 300_000);
const KIBIBYTE = 1024;

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['as qemu-img makes them', {}],
  ['512-byte clusters', { cluster_size: 512 }],
  ['2 MiB clusters', { cluster_size: 2048 * KIBIBYTE }],
  ['version 2', { compat: '0.10', cluster_size: 4096 }],
  ['version 2 over backing', { compat: '0.10', cluster_size: 4096, ...backing() }],
  ['over backing', { cluster_size: 4096, ...backing() }],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }],
  ['extended L2', { extended_l2: true }],
  ['extended L2 over backing', { extended_l2: true, cluster_size: 16_384, ...backing() }],
  ['preallocated', { cluster_size: 4096, preallocation: 'metadata' }],
  ['preallocated with falloc', { cluster_size: 512, preallocation: 'falloc' }],
  ['a data file', { cluster_size: 4096, data_file: 'data' }],
  ['a raw data file', { cluster_size: 4096, data_file: 'data', data_file_raw: true }],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

/** Random changes of a disk, and what it holds after them. */
function work(files: ImageFiles, model: Uint8Array, random: () => number): void {
  const disk = openWritable(files);
  for (let step = 0; step < 60; step++) {
    const offset = Math.floor(random() * model.length);
    const wanted = 1 + Math.floor(random() * (random() < 0.6 ? 6000 : 200_000));
    const range = model.subarray(offset, Math.min(offset + wanted, model.length));
    const kind = random();
    if (kind < 0.6) {
      range.set(contentOf(step, range.length));
      disk.writeSync(range, offset);
    } else if (kind < 0.75) {
      range.fill(0);
      disk.writeZeroesSync(offset, range.length, { mayUnmap: kind < 0.7 });
    } else if (kind < 0.9) {
      disk.discardSync(offset, range.length);
      disk.readSync(range, offset);
    } else disk.flushSync();
  }
  disk.closeSync();
}

/** Brings the files of an image to the directory, so that the tools see them. */
function save(files: ImageFiles, directory: WorkDirectory): void {
  directory.write('image', files.imageBytes);
  for (const [name, storage] of files.others) {
    const bytes = new Uint8Array(storage.sizeBytes);
    storage.readSync(bytes, 0);
    directory.write(name, bytes);
  }
}

function load(directory: WorkDirectory, options: CreateOptions): ImageFiles {
  const files = new ImageFiles(new MemoryStorage(directory.read('image'), 'image'));
  for (const name of [options['backing_file'], options['data_file']]) {
    if (typeof name === 'string') {
      files.others.set(name, new MemoryStorage(directory.read(name), name));
    }
  }
  return files;
}

describe('images that were written here', () => {
  it.each(COMBINATIONS)('are whole to qemu-img: %s', (_, options) => {
    for (let seed = 0; seed < 3; seed++) {
      using directory = new WorkDirectory();
      const files = createImage(new ImageFiles(), 1_500_160, options);
      const model = new Uint8Array(1_500_160);
      if (options['backing_file'] !== undefined) {
        files.others.set('base', new MemoryStorage(BASE, 'base'));
        model.set(BASE);
      }
      const random = randomFrom(seed);
      for (let round = 0; round < 2; round++) {
        work(files, model, random);
        save(files, directory);
        directory.check('image');
        expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
      }
    }
  });

  it.each(COMBINATIONS)('go on from what qemu-io wrote: %s', (_, options) => {
    using directory = new WorkDirectory();
    directory.write('base', BASE);
    directory.createQcow2('image', 1_500_160, options);
    const random = randomFrom(1);
    for (let round = 0; round < 3; round++) {
      const commands = Array.from({ length: 12 }, () => qemuCommand(random));
      directory.run('qemu-io', '-d', 'unmap', ...commands.flatMap((text) => ['-c', text]), 'image');
      const files = load(directory, options);
      const model = readAll(openWritable(files, { writable: false }));
      expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
      work(files, model, random);
      save(files, directory);
      directory.check('image');
      expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
    }
  });
});

function qemuCommand(random: () => number): string {
  const at = Math.floor(random() * 1400) * KIBIBYTE;
  const length = (1 + Math.floor(random() * 60)) * KIBIBYTE;
  const kinds = ['write -P 7', 'write -P 9', 'write -z', 'write -zu', 'discard'];
  return `${kinds[Math.floor(random() * kinds.length)]} ${at} ${length}`;
}

describe('clusters lie where qemu-io puts them', () => {
  // Where a second refcount block comes in between, places differ by a cluster now and then.
  const placed = COMBINATIONS.filter(
    ([, { cluster_size: cluster = 65_536, refcount_bits: bits = 16, data_file: dataFile }]) =>
      dataFile === undefined && (Number(cluster) >= 4096 || Number(bits) < 16),
  );

  it.each(placed)('%s', (_, options) => {
    for (let seed = 0; seed < 2; seed++) {
      using directory = new WorkDirectory();
      directory.write('base', BASE);
      directory.createQcow2('image', 1_500_160, options);
      const files = load(directory, options);
      const random = randomFrom(seed);
      const disk = openWritable(files);
      for (let step = 0; step < 20; step++) {
        const at = Math.floor(random() * 2800) * 512;
        const length = (1 + Math.floor(random() * (random() < 0.5 ? 8 : 250))) * 512;
        const end = Math.min(at + length, disk.sizeBytes);
        directory.run('qemu-io', '-c', `write -P ${step + 1} ${at} ${end - at}`, 'image');
        disk.writeSync(new Uint8Array(end - at).fill(step + 1), at);
      }
      disk.closeSync();
      const theirs = placesOf(directory);
      save(files, directory);
      directory.check('image');
      expect(placesOf(directory)).toEqual(theirs);
    }
  });
});

/** Where each part of the disk lies; what is a hole of the host's file is of no interest. */
function placesOf(directory: WorkDirectory): string[] {
  interface Extent {
    readonly start: number;
    readonly length: number;
    readonly offset?: number;
  }
  const map = JSON.parse(directory.run('qemu-img', 'map', '--output=json', 'image')) as Extent[];
  return map.flatMap(({ start, length, offset }) =>
    offset === undefined
      ? []
      : Array.from(
          { length: length / 512 },
          (_, at) => `${start + at * 512}: ${offset + at * 512}`,
        ),
  );
}
