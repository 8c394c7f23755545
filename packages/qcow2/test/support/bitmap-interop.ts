/** Images with bitmaps, worked on by us and by the genuine tools, and compared. */
import { expect } from 'vitest';
import { type BitmapInfo, type DiskFile, MemoryStorage } from '@diskfile/core';
import { dirtyRangesByQemu, dirtyRangesOf, joined } from './dirty-ranges.ts';
import type { WorkDirectory } from './qemu.ts';
import { type CreateOptions, ImageFiles, openWritable } from './writable-image.ts';

export const KIBIBYTE = 1024;
/** No multiple of any granule, nor of 8 granules of 512 bytes. */
export const SIZE = 3_000_320;

export const COMBINATIONS: [name: string, options: CreateOptions, granule: number][] = [
  ['as qemu-img makes them', {}, 64 * KIBIBYTE],
  ['512-byte clusters and granules', { cluster_size: 512 }, 512],
  ['4 KiB clusters, 512-byte granules', { cluster_size: 4096 }, 512],
  ['2 MiB clusters', { cluster_size: 2048 * KIBIBYTE }, 512],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }, 512],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }, 4096],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 1024],
  ['granules larger than the disk', { cluster_size: 4096 }, 16 * 1024 * KIBIBYTE],
];

export function load(directory: WorkDirectory, name: string): ImageFiles {
  return new ImageFiles(new MemoryStorage(directory.read(name), name));
}

/** Works on an image in the directory. */
export function edit(directory: WorkDirectory, name: string, work: (disk: DiskFile) => void): void {
  const files = load(directory, name);
  const disk = openWritable(files);
  expect(disk.warnings).toEqual([]);
  work(disk);
  disk.closeSync();
  directory.write(name, files.imageBytes);
}

/** What `qemu-img info` says of the bitmaps, in our words. */
export function bitmapsByQemu(directory: WorkDirectory, name: string): BitmapInfo[] {
  interface Info {
    readonly 'format-specific': {
      readonly data: {
        readonly bitmaps?: readonly { name: string; granularity: number; flags: string[] }[];
      };
    };
  }
  const info = JSON.parse(directory.run('qemu-img', 'info', '--output=json', name)) as Info;
  const { bitmaps = [] } = info['format-specific'].data;
  return bitmaps
    .map(({ name: own, granularity, flags }) => ({
      name: own,
      granularityBytes: granularity,
      flags,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Both see the same bitmaps and the same dirty ranges, and the check finds nothing. */
export function compare(directory: WorkDirectory, ours: string, theirs = ours): void {
  directory.check(ours);
  const expected = bitmapsByQemu(directory, theirs);
  expect(bitmapsByQemu(directory, ours)).toEqual(expected);
  const disk = openWritable(load(directory, ours), { writable: false });
  const listed = disk.capabilities.bitmaps!.list();
  expect(listed.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(expected);
  for (const { name } of expected) {
    const ranges = joined(dirtyRangesByQemu(directory, theirs, name));
    expect(dirtyRangesOf(disk, name), name).toEqual(ranges);
    expect(joined(dirtyRangesByQemu(directory, ours, name)), name).toEqual(ranges);
  }
}
