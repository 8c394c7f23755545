import { describe, expect, it } from 'vitest';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { BitmapModel, perform } from '../support/bitmap-model.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['64 KiB clusters', {}],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['64-bit refcounts', { cluster_size: 1024, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
  ['a data file', { cluster_size: 4096, data_file: 'data' }],
  ['a raw data file', { cluster_size: 512, data_file: 'data', data_file_raw: true }],
  ['preallocated', { cluster_size: 4096, preallocation: 'metadata' }],
];

const SIZE = 200_192;

function expectModel(disk: DiskFile, model: BitmapModel): void {
  expect(disk.warnings).toEqual([]);
  expect(BitmapModel.found(disk)).toEqual(model.expected());
}

describe('bitmaps of a disk that is written', () => {
  it.each(COMBINATIONS)('hold what changed while they were enabled: %s', (_, options) => {
    for (let seed = 0; seed < Number(process.env['MODEL_RUNS'] ?? 4); seed++) {
      const random = randomFrom(seed);
      const files = createImage(new ImageFiles(), SIZE, options);
      let model = new BitmapModel(SIZE);
      for (let round = 0; round < 6; round++) {
        const disk = openWritable(files);
        for (let step = 0; step < 20; step++) {
          const work = model.randomWork(random);
          perform(disk, work);
          model = model.after(work);
          if (random() < 0.3) expectModel(disk, model);
        }
        expectModel(disk, model);
        disk.closeSync();
        expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
        expectModel(openWritable(files, { writable: false }), model);
      }
    }
  });
});

describe('bitmaps of an image whose refcounts are out of date', () => {
  it('are counted with everything else', () => {
    const options = { cluster_size: 512, lazy_refcounts: true };
    const files = createImage(new ImageFiles(), SIZE, options);
    const first = openWritable(files);
    perform(first, { kind: 'create', name: 'kept', granularityBytes: 512, enabled: true });
    perform(first, { kind: 'write', offset: 3000, length: 100 });
    perform(first, { kind: 'disable', name: 'kept' });
    perform(first, { kind: 'write', offset: 0, length: 100_000 });
    first.flushSync();
    const left = new ImageFiles(new MemoryStorage(files.imageBytes, 'left'));
    const reading = openWritable(left, { writable: false });
    expect(reading.warnings.map(({ detail }) => detail)).toEqual(['qcow2.marked-dirty']);
    const disk = openWritable(left);
    expect(verifyImage(left.imageBytes)).toEqual({ errors: [], leaks: [] });
    perform(disk, { kind: 'write', offset: 120_000, length: 50_000 });
    disk.closeSync();
    expect(verifyImage(left.imageBytes)).toEqual({ errors: [], leaks: [] });
    const { bitmaps } = openWritable(left, { writable: false }).capabilities;
    expect(bitmaps!.list()).toMatchObject([{ name: 'kept', flags: ['in-use'] }]);
  });
});

describe('ranges of another disk', () => {
  it.each([true, false])('are added to a bitmap that records writes: %s', (enabled) => {
    const files = createImage(new ImageFiles(), SIZE, { cluster_size: 512 });
    const disk = openWritable(files);
    const bitmaps = disk.capabilities.bitmaps!;
    bitmaps.createSync('bits', { granularityBytes: 512 });
    disk.writeSync(new Uint8Array(512).fill(1), 0);
    if (!enabled) bitmaps.disableSync('bits');
    bitmaps.markSync('bits', [
      { guestOffset: 4096, lengthBytes: 1024 },
      { guestOffset: SIZE - 512, lengthBytes: 512 },
    ]);
    const expected = [
      { guestOffset: 0, lengthBytes: 512 },
      { guestOffset: 4096, lengthBytes: 1024 },
      { guestOffset: SIZE - 512, lengthBytes: 512 },
    ];
    expect([...bitmaps.dirtyRangesSync('bits')]).toEqual(expected);
    const beyond = [{ guestOffset: SIZE - 512, lengthBytes: 1024 }];
    expect(() => bitmaps.markSync('bits', beyond)).toThrow(/not within/);
    expect(() => bitmaps.markSync('none', [])).toThrow(/no bitmap/);
    disk.closeSync();
    const again = openWritable(files, { writable: false });
    expect([...again.capabilities.bitmaps!.dirtyRangesSync('bits')]).toEqual(expected);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });
});
