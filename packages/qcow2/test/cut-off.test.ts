/** A file that was not copied to its end reads as zeros from there on, and that is told. */
import { MemoryStorage } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { contentOf } from './support/content.ts';
import { createImage, ImageFiles, openWritable } from './support/writable-image.ts';

const MIB = 1024 * 1024;

function cutTo(bytes: Uint8Array, lengthBytes: number, asQemu = false): string[] {
  const files = new ImageFiles(new MemoryStorage(bytes.slice(0, lengthBytes)));
  const disk = openWritable(files, { asQemu });
  const details = disk.warnings.map(({ detail }) => detail);
  disk.closeSync();
  return details;
}

describe.each([
  { cluster_size: 65536 },
  { cluster_size: 512 },
  { cluster_size: 4096, refcount_bits: 1 },
  { cluster_size: 4096, refcount_bits: 64 },
])('a file with %o', (options) => {
  const files = createImage(new ImageFiles(), 4 * MIB, options);
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 3 * MIB), 0);
  disk.closeSync();
  const bytes = files.imageBytes;

  it('that is whole tells of nothing', () => {
    expect(cutTo(bytes, bytes.length)).toEqual([]);
    // The last cluster need not be there to its end.
    expect(cutTo(bytes, bytes.length - 100)).toEqual([]);
  });

  it.each([0.9, 0.6])('that was cut to %f of its length says so', (part) => {
    expect(cutTo(bytes, Math.floor(bytes.length * part))).toEqual(['qcow2.cut-off']);
  });

  it('is opened without a word where QEMU does so', () => {
    expect(cutTo(bytes, Math.floor(bytes.length * 0.6), true)).toEqual([]);
  });
});
