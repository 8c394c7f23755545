import { describe, expect, it } from 'vitest';
import { errorOf, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const MEBIBYTE = 1024 * 1024;

function refusal(options: CreateOptions, sizeBytes = MEBIBYTE) {
  return errorOf(() => createImage(new ImageFiles(), sizeBytes, options));
}

describe('create', () => {
  it('rounds the size up to sectors and reads as zeros', () => {
    const files = createImage(new ImageFiles(), 1000, {});
    const disk = openWritable(files, { writable: false });
    expect(disk.sizeBytes).toBe(1024);
    expect(readAll(disk)).toEqual(new Uint8Array(1024));
  });

  it('counts every cluster once, a moved refcount table included', () => {
    const options = { cluster_size: 512, preallocation: 'metadata', refcount_bits: 64 };
    const files = createImage(new ImageFiles(), 3 * MEBIBYTE, options);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it.each<[string, CreateOptions, string]>([
    ['clusters of odd size', { cluster_size: 1000 }, 'cluster_size'],
    ['small clusters', { cluster_size: 256 }, 'cluster_size'],
    ['large clusters', { cluster_size: '4M' }, 'cluster_size'],
    ['odd refcounts', { refcount_bits: 3 }, 'refcount_bits'],
    ['wide refcounts', { refcount_bits: 128 }, 'refcount_bits'],
    ['refcounts in version 2', { compat: '0.10', refcount_bits: 8 }, 'refcount_bits'],
    ['lazy refcounts in version 2', { compat: 'v2', lazy_refcounts: 'on' }, 'lazy_refcounts'],
    ['zstd in version 2', { compat: '0.10', compression_type: 'zstd' }, 'compression_type'],
    ['extended L2 in version 2', { compat: '0.10', extended_l2: true }, 'extended_l2'],
    ['data file in version 2', { compat: '0.10', data_file: 'data' }, 'data_file'],
    ['small extended clusters', { cluster_size: '8k', extended_l2: true }, 'extended_l2'],
    ['raw without a data file', { data_file_raw: true }, 'data_file_raw'],
    ['unknown version', { compat: '2' }, 'compat'],
    ['unknown compression', { compression_type: 'lzo' }, 'compression_type'],
    ['unknown preallocation', { preallocation: 'some' }, 'preallocation'],
    ['unknown option', { colour: 'blue' }, 'colour'],
    ['backing without format', { backing_file: 'base', backing_fmt: '' }, 'backing_fmt'],
    [
      'backing with a format that cannot be read back',
      { backing_file: 'base', backing_fmt: 'x'.repeat(16) },
      'backing_fmt',
    ],
    ['backing without name', { backing_file: '', backing_fmt: 'raw' }, 'backing_file'],
    [
      'backing name too long',
      { backing_file: 'x'.repeat(1024), backing_fmt: 'raw' },
      'backing_file',
    ],
    [
      'names beyond a cluster',
      { backing_file: 'x'.repeat(500), backing_fmt: 'raw', cluster_size: 512 },
      'names-too-long',
    ],
    [
      'backing and a raw data file',
      { backing_file: 'base', backing_fmt: 'raw', data_file: 'data', data_file_raw: true },
      'data_file_raw',
    ],
    [
      'backing and preallocation',
      { backing_file: 'base', backing_fmt: 'raw', preallocation: 'metadata' },
      'preallocation',
    ],
  ])('refuses: %s', (_, options, detail) => {
    const { code, detail: found } = refusal(options);
    expect([code, found]).toEqual(['invalid-argument', `qcow2.create.${detail}`]);
  });

  it('refuses disks that the L1 table cannot map', () => {
    expect(refusal({ cluster_size: 512 }, 200 * 1024 * MEBIBYTE).detail).toBe('qcow2.create.size');
    expect(refusal({}, 3 * 1024 ** 3 * MEBIBYTE).detail).toBe('qcow2.create.size');
    expect(refusal({}, -1).detail).toBe('qcow2.create.size');
    expect(refusal({}, 0.5).detail).toBe('qcow2.create.size');
  });
});
