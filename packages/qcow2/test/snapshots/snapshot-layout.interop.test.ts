import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { imageDifference } from '../support/image-difference.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { type CreateOptions, ImageFiles, openWritable } from '../support/writable-image.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const BASE = contentOf(5, 300_000);

/** Several snapshots that share clusters and tables with the active state, with others, with none. */
const SHARING = `
  write -P 1 0 300k; -c a; write -P 2 100k 100k; -c b; write -P 3 150k 10k; -c c; -c d;
  write -P 4 1M 100k; -a a; write -P 5 0 10k; -d b; -a d; -d a; write -P 7 150k 50k; -c e; -d c;
  -a e; -d d; -d e`;
const ZEROS = `
  write -P 1 0 300k; write -z 64k 64k; write -z -u 128k 64k; -c a; discard 0 64k;
  write -P 2 64k 1k; -c b; write -z 0 300k; -a a; -d b; write -P 5 64k 130k; -a a; -d a`;
const COMPRESSED = `
  write -c -P 3 0 64k; write -c -P 4 64k 64k; -c a; write -P 2 64k 1k; -c b;
  write -c -P 9 128k 64k; -a a; -d b; write -P 7 0 200k; -a a; -d a`;
const VM_STATE = `
  write -P 1 0 100k; write -b -P 77 0 40k; -c a; write -b -P 78 0 40k; -c b; -a a; -d b; -c c;
  -a c; -d a; -d c`;
const FAR_APART = `
  write -P 1 0 64k; write -P 2 3M 64k; -c a; write -P 3 0 16k; write -P 4 3M 16k; -c b;
  write -P 5 1M 4k; -a a; write -P 6 3M 4k; -a b; -d a; -a b; -d b`;
/** Disks of several sizes, with one L1 entry or with several. */
const RESIZED = `
  write -P 1 0 300k; -c a; resize 1200k; write -P 2 1100k 64k; -c b; -a a; write -P 3 0 1k; -a b;
  resize 1M; -c c; -a b; -a c; -d b; -a a; -d c; -d a`;

/** No cluster is used more than three times, not even while a snapshot becomes active. */
const FEW = `
  write -P 1 0 300k; -c a; write -P 2 0 1k; -c b; -d a; -a b; write -P 3 200k 1k; -c c; -d b; -d c`;

const TABLE: [name: string, options: CreateOptions, sizeBytes: number, work: string][] = [
  ['as qemu-img makes them', {}, 64 * MEBIBYTE, SHARING],
  ['zeros', {}, 64 * MEBIBYTE, ZEROS],
  ['compressed clusters', {}, 64 * MEBIBYTE, COMPRESSED],
  ['saved VM state', {}, 64 * MEBIBYTE, VM_STATE],
  ['saved VM state, small clusters', { cluster_size: 4096 }, 4 * MEBIBYTE, VM_STATE],
  ['512-byte clusters', { cluster_size: 512 }, 4 * MEBIBYTE, SHARING],
  ['an L1 table of several sectors', { cluster_size: 512 }, 4 * MEBIBYTE, FAR_APART],
  ['4096-byte clusters', { cluster_size: 4096 }, 64 * MEBIBYTE, ZEROS],
  ['2 MiB clusters', { cluster_size: 2 * MEBIBYTE }, 64 * MEBIBYTE, FEW],
  ['2-bit refcounts', { refcount_bits: 2 }, 64 * MEBIBYTE, FEW],
  ['8-bit refcounts', { refcount_bits: 8 }, 64 * MEBIBYTE, SHARING],
  ['64-bit refcounts', { refcount_bits: 64, cluster_size: 1024 }, 8 * MEBIBYTE, SHARING],
  ['lazy refcounts', { lazy_refcounts: true }, 64 * MEBIBYTE, SHARING],
  ['extended L2', { extended_l2: true }, 64 * MEBIBYTE, ZEROS],
  ['extended L2, small', { extended_l2: true, cluster_size: 16_384 }, 64 * MEBIBYTE, SHARING],
  ['preallocated', { preallocation: 'metadata', cluster_size: 4096 }, 8 * MEBIBYTE, SHARING],
  ['over backing', { backing_file: 'base', backing_fmt: 'raw' }, 64 * MEBIBYTE, ZEROS],
  ['a size of half a cluster', {}, 1500 * KIBIBYTE, SHARING],
  ['another size', {}, 900 * KIBIBYTE, RESIZED],
  ['an empty disk', {}, 0, '-c a; -c b; -a a; -d a; -a b; -d b'],
];

/** Does to a copy of the image what the tool is about to do. */
function doneHere(directory: WorkDirectory, flag: string, name: string): Uint8Array {
  const files = new ImageFiles(new MemoryStorage(directory.read('image'), 'image'));
  files.others.set('base', new MemoryStorage(BASE, 'base'));
  const disk = openWritable(files);
  const snapshots = disk.capabilities.snapshots!;
  if (flag === '-c') snapshots.createSync(name);
  else if (flag === '-a') snapshots.applySync(name);
  else snapshots.deleteSync(name);
  disk.closeSync();
  return files.imageBytes;
}

describe('snapshots leave every byte where qemu-img leaves it', () => {
  it.each(TABLE)('%s', (_, options, sizeBytes, work) => {
    using directory = new WorkDirectory();
    directory.write('base', BASE);
    directory.createQcow2('image', sizeBytes, options);
    for (const step of work.split(';').map((each) => each.trim())) {
      const [flag = '', name = ''] = step.split(' ');
      if (flag === 'resize') {
        directory.run('qemu-img', 'resize', '-q', '--shrink', 'image', name);
        continue;
      }
      if (!flag.startsWith('-')) {
        directory.run('qemu-io', '-c', step, 'image');
        continue;
      }
      const ours = doneHere(directory, flag, name);
      directory.run('qemu-img', 'snapshot', flag, name, 'image');
      expect([step, imageDifference(ours, directory.read('image'))]).toEqual([step, undefined]);
    }
  });
});
