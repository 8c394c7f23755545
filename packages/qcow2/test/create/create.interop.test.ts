import { describe, expect, it } from 'vitest';
import { firstDifference } from '../support/open-image.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { createImage, type CreateOptions, ImageFiles } from '../support/writable-image.ts';

const MEBIBYTE = 1024 * 1024;

/** Both create the image, and the files have to be equal byte for byte. */
function compare(options: CreateOptions, sizeBytes: number): void {
  using directory = new WorkDirectory();
  directory.write('base', new Uint8Array(MEBIBYTE));
  directory.createQcow2('theirs', sizeBytes, options);
  const files = createImage(new ImageFiles(), sizeBytes, options);
  const ours = files.imageBytes;
  const theirs = directory.read('theirs');
  const label = `${JSON.stringify(options)} of ${sizeBytes} bytes`;
  expect(`${label}: ${firstDifference(ours, theirs)}`).toBe(`${label}: -1`);
  const dataFile = files.others.get('data');
  if (dataFile !== undefined) expect(dataFile.sizeBytes).toBe(directory.read('data').length);
}

const CLUSTERS = [512, 4096, 8192, 65_536, 2 * MEBIBYTE];
const SIZES = [0, 1, 513, 65_536, 10_000_000];
const PREALLOCATIONS = ['off', 'metadata', 'falloc', 'full'];

describe('create lays images out as qemu-img does', () => {
  it.each(CLUSTERS)('clusters of %i bytes, both versions, all sizes', (cluster) => {
    for (const compat of ['0.10', '1.1']) {
      for (const size of [...SIZES, 1024 * MEBIBYTE])
        compare({ compat, cluster_size: cluster }, size);
    }
  });

  it.each(PREALLOCATIONS)('preallocation=%s', (preallocation) => {
    for (const cluster of CLUSTERS.filter((bytes) => bytes <= 65_536)) {
      for (const size of [0, 1, 513, 65_536, 3_000_000]) {
        compare({ cluster_size: cluster, preallocation }, size);
        compare({ cluster_size: cluster, preallocation, compat: '0.10' }, size);
      }
    }
    if (preallocation === 'full') return;
    compare({ cluster_size: 2 * MEBIBYTE, preallocation }, 10_000_000);
    for (const size of [100_000, 5 * MEBIBYTE]) {
      compare({ preallocation, extended_l2: true }, size);
      compare({ preallocation, extended_l2: true, backing_file: 'base', backing_fmt: 'raw' }, size);
      compare({ preallocation, data_file: 'data' }, size);
    }
  });

  it.each([1, 2, 4, 8, 32, 64])('refcounts of %i bits', (refcountBits) => {
    compare({ refcount_bits: refcountBits }, 3_000_000);
    compare({ refcount_bits: refcountBits, preallocation: 'falloc', cluster_size: 512 }, 1_000_000);
    compare({ refcount_bits: refcountBits, preallocation: 'metadata', cluster_size: 512 }, 900_000);
  });

  it.each<[string, CreateOptions]>([
    ['lazy refcounts', { lazy_refcounts: true }],
    ['zstd', { compression_type: 'zstd' }],
    ['much at once', { extended_l2: true, lazy_refcounts: true, compression_type: 'zstd' }],
    ['a backing file', { backing_file: 'base', backing_fmt: 'raw' }],
    ['a backing file in version 2', { compat: '0.10', backing_file: 'base', backing_fmt: 'raw' }],
    ['a data file', { data_file: 'data' }],
    ['a raw data file', { data_file: 'data', data_file_raw: true }],
    ['both files', { data_file: 'data', backing_file: 'base', backing_fmt: 'raw' }],
  ])('%s', (_, options) => {
    for (const size of [100_000, 5 * MEBIBYTE]) compare(options, size);
  });

  it('an L1 table that needs refcount blocks of its own', () => {
    for (let clusters = 252; clusters < 258; clusters++) {
      compare({ cluster_size: 512 }, clusters * 64 * 32_768);
    }
    compare({ cluster_size: 512 }, 20 * 1024 * MEBIBYTE);
    compare({}, 2 * 1024 ** 3 * MEBIBYTE);
  });
});
