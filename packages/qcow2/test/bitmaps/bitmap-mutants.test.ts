import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { BitmapModel, perform } from '../support/bitmap-model.ts';
import { bitmapPlaces } from '../support/bitmap-places.ts';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { dirtyRangesOf } from '../support/dirty-ranges.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['4 KiB clusters', { cluster_size: 4096 }],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
];
const SIZE = 4 * 1024 * 1024;

function sampleImage(options: CreateOptions): Uint8Array {
  const files = createImage(new ImageFiles(), SIZE, options);
  const disk = openWritable(files);
  const bitmaps = disk.capabilities.bitmaps!;
  for (const name of ['on', 'off', 'wide']) {
    bitmaps.createSync(name, { granularityBytes: name === 'wide' ? 65_536 : 512 });
  }
  for (let at = 0; at < 40; at++) disk.writeSync(contentOf(at, 700), at * 90_000);
  bitmaps.disableSync('off');
  disk.closeSync();
  return files.imageBytes;
}

/** Changes some bytes of what describes the bitmaps, and of nothing else. */
function mutate(sample: Uint8Array, random: () => number): Uint8Array {
  const image = sample.slice();
  const { extension, directory, bitmaps } = bitmapPlaces(sample);
  const regions = [
    [extension, 24],
    ...bitmaps.flatMap(({ entry, table, tableEntries }) => [
      [entry, 40],
      [table, tableEntries * 8],
    ]),
  ];
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const [start, length] = regions[Math.floor(random() * regions.length)]!;
    const at = start! + Math.floor(random() * length!);
    const kind = random();
    if (kind < 0.4) image[at] = image[at]! ^ (1 << Math.floor(random() * 8));
    else if (kind < 0.6) image[at] = Math.floor(random() * 256);
    else {
      // Places of something else: of tables in the header, of the directory, of another table.
      const sources = [40, 48, extension + 16, directory, ...bitmaps.map(({ table }) => table)];
      const from = sources[Math.floor(random() * sources.length)]!;
      image.copyWithin(start! + Math.floor(random() * (length! / 8)) * 8, from, from + 8);
    }
  }
  return image;
}

/** Work on bitmaps may be refused, and with nothing but a DiskError. */
function tolerate(action: () => void): void {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
  }
}

function workOn(disk: DiskFile, content: Uint8Array, random: () => number): void {
  const model = new BitmapModel(SIZE);
  const names = disk.capabilities.bitmaps!.list().map(({ name }) => name);
  for (let step = 0; step < 8; step++) {
    const offset = Math.floor(random() * (SIZE - 9000));
    const bytes = contentOf(step, 1 + Math.floor(random() * 8000));
    disk.writeSync(bytes, offset);
    content.set(bytes, offset);
    if (random() < 0.3) disk.flushSync();
    const work = model.randomWork(random);
    if (work.kind === 'create') tolerate(() => perform(disk, work));
    const name = names[Math.floor(random() * names.length)] ?? 'none';
    const kinds = ['enable', 'disable', 'clear'] as const;
    tolerate(() => perform(disk, { kind: kinds[step % 3]!, name }));
    tolerate(() => perform(disk, { kind: 'merge', name, sources: names.slice(0, 2) }));
    tolerate(() => void dirtyRangesOf(disk, name));
    if (random() < 0.1) tolerate(() => perform(disk, { kind: 'remove', name }));
  }
}

describe('writing to a disk whose bitmaps are damaged', () => {
  it.each(COMBINATIONS)('goes on, and leaves the rest of it whole: %s', (_, options) => {
    const sample = sampleImage(options);
    const start = readAll(openWritable(filesOf(sample), { writable: false }));
    const clusterBytes = Number(options['cluster_size']);
    const data = dataClusters(sample, clusterBytes);
    const random = randomFrom(3);
    let damaged = 0;
    for (let mutant = 0; mutant < Number(process.env['MUTANT_RUNS'] ?? 120); mutant++) {
      const image = mutate(sample, random);
      // Bits that lie in a cluster of guest data cannot be told from those that do not.
      if (touches(image, data, clusterBytes)) continue;
      const files = filesOf(image);
      const reading = openWritable(files, { writable: false });
      for (const { name } of reading.capabilities.bitmaps!.list()) {
        tolerate(() => void dirtyRangesOf(reading, name));
      }
      const content = start.slice();
      for (let round = 0; round < 2; round++) {
        const disk = openWritable(files);
        damaged += disk.warnings.length;
        workOn(disk, content, random);
        disk.closeSync();
      }
      const disk = openWritable(files);
      expect(firstDifference(readAll(disk), content)).toBe(-1);
      for (const { name } of disk.capabilities.bitmaps!.list()) {
        disk.capabilities.bitmaps!.removeSync(name);
      }
      disk.closeSync();
      expect(verifyImage(files.imageBytes).errors).toEqual([]);
      expect(firstDifference(readAll(openWritable(files)), content)).toBe(-1);
    }
    expect(damaged).toBeGreaterThan(20);
  });
});

function filesOf(image: Uint8Array): ImageFiles {
  return new ImageFiles(new MemoryStorage(image.slice(), 'image'));
}

/** Offsets of the clusters that hold guest data. */
function dataClusters(image: Uint8Array, clusterBytes: number): Set<number> {
  const view = new DataView(image.buffer);
  const offsetAt = (at: number) => Number(view.getBigUint64(at) & 0x00ff_ffff_ffff_fe00n);
  const clusters = new Set<number>();
  const l1 = offsetAt(40);
  for (let index = 0; index < view.getUint32(36); index++) {
    const l2 = offsetAt(l1 + index * 8);
    const end = l2 === 0 ? 0 : l2 + clusterBytes;
    for (let at = l2; at < end; at += 8) clusters.add(offsetAt(at));
  }
  return clusters.add(0);
}

/** Whether a directory, table or bits lie where guest data is, as far as they lie in the file. */
function touches(image: Uint8Array, data: ReadonlySet<number>, clusterBytes: number): boolean {
  const view = new DataView(image.buffer);
  const meets = (offset: number, length: number) => {
    for (let at = offset - (offset % clusterBytes); at < offset + length; at += clusterBytes) {
      if (at > 0 && data.has(at)) return true;
    }
    return false;
  };
  try {
    const { directory, bitmaps } = bitmapPlaces(image);
    if (meets(directory, 200)) return true;
    return bitmaps.some(({ table, tableEntries }) => {
      if (table + tableEntries * 8 > image.length) return false;
      const entries = Array.from({ length: tableEntries }, (_, index) =>
        Number(view.getBigUint64(table + index * 8)),
      );
      return (
        meets(table, tableEntries * 8) || entries.some((entry) => entry > 1 && data.has(entry))
      );
    });
  } catch (error) {
    // The header leads to no directory that could be read.
    if (error instanceof RangeError) return false;
    throw error;
  }
}
