import { describe, expect, it } from 'vitest';
import { writeU32be } from '@diskfile/bytes';
import { type DiskBitmaps, type DiskFile, MemoryStorage } from '@diskfile/core';
import { bitmapPlaces } from '../support/bitmap-places.ts';
import { contentOf } from '../support/content.ts';
import { dirtyRangesOf } from '../support/dirty-ranges.ts';
import { errorOf } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
  type OpenWritableOptions,
} from '../support/writable-image.ts';

const MEBIBYTE = 1024 * 1024;
const TEBIBYTE = MEBIBYTE * MEBIBYTE;

function newDisk(sizeBytes = MEBIBYTE, options: CreateOptions = {}): DiskFile {
  return openWritable(createImage(new ImageFiles(), sizeBytes, options));
}

function bitmapsOf(disk: DiskFile): DiskBitmaps {
  return disk.capabilities.bitmaps!;
}

function refusal(disk: DiskFile, action: (bitmaps: DiskBitmaps) => unknown): string {
  const { code, detail } = errorOf(() => action(bitmapsOf(disk)));
  return `${code} ${detail}`;
}

describe('a bitmap is not made', () => {
  it.each([
    ['without a name', '', 'qcow2.bitmap-name'],
    ['with a name of 1024 bytes', 'ä'.repeat(512), 'qcow2.bitmap-name'],
    ['with a NUL in its name', 'a\0b', 'qcow2.bitmap-name'],
    ['with a name that UTF-8 does not have', 'a\ud800', 'qcow2.bitmap-name'],
    ['with a name that is taken', 'taken', 'qcow2.bitmap-exists'],
  ])('%s', (_, name, detail) => {
    const disk = newDisk();
    bitmapsOf(disk).createSync('taken');
    expect(refusal(disk, (bitmaps) => bitmaps.createSync(name))).toBe(`invalid-argument ${detail}`);
  });

  it.each([0, 1, 256, 1000, 4096.5, -512, 2 ** 32, Number.NaN])(
    'with granules of %d bytes',
    (granularityBytes) => {
      expect(
        refusal(newDisk(), (bitmaps) => bitmaps.createSync('bits', { granularityBytes })),
      ).toBe('invalid-argument qcow2.bitmap-granularity');
    },
  );

  it('in an image of version 2', () => {
    const disk = newDisk(MEBIBYTE, { compat: '0.10' });
    expect(refusal(disk, (bitmaps) => bitmaps.createSync('bits'))).toBe(
      'unsupported qcow2.bitmap-version-2',
    );
  });

  it('of a disk without bytes, nor of one with more granules than QEMU allows', () => {
    const refused = 'invalid-argument qcow2.bitmap-size';
    const make = (bitmaps: DiskBitmaps) => bitmaps.createSync('bits', { granularityBytes: 512 });
    expect(refusal(newDisk(0), make)).toBe(refused);
    expect(refusal(newDisk(2 * TEBIBYTE + 4096), make)).toBe(refused);
    make(bitmapsOf(newDisk(2 * TEBIBYTE)));
  });

  it('of a disk that is only read', () => {
    const files = createImage(new ImageFiles(), MEBIBYTE);
    const disk = openWritable(files, { writable: false });
    expect(refusal(disk, (bitmaps) => bitmaps.createSync('bits'))).toMatch(/^read-only/);
  });
});

describe('a bitmap is made', () => {
  it.each([
    [512, 4096],
    [4096, 4096],
    [16_384, 16_384],
    [65_536, 65_536],
    [2 * MEBIBYTE, 65_536],
  ])('with the granularity that QEMU chooses: clusters of %i, %i', (cluster_size, granule) => {
    const disk = newDisk(MEBIBYTE, { cluster_size });
    bitmapsOf(disk).createSync('ä'.repeat(511));
    expect(bitmapsOf(disk).list()).toEqual([
      { name: 'ä'.repeat(511), granularityBytes: granule, flags: ['auto'] },
    ]);
  });
});

describe('a bitmap that is not there', () => {
  it('is not found, and merging it changes nothing', () => {
    const disk = newDisk();
    bitmapsOf(disk).createSync('full', { granularityBytes: 512 });
    disk.writeSync(contentOf(1, 4096), 0);
    bitmapsOf(disk).createSync('bits', { granularityBytes: 512 });
    const missing = 'not-found qcow2.bitmap-not-found';
    for (const change of ['removeSync', 'enableSync', 'disableSync', 'clearSync'] as const) {
      expect(refusal(disk, (bitmaps) => bitmaps[change]('none'))).toBe(missing);
    }
    expect(refusal(disk, (bitmaps) => bitmaps.mergeSync('none', ['full']))).toBe(missing);
    expect(refusal(disk, (bitmaps) => bitmaps.mergeSync('bits', ['full', 'none']))).toBe(missing);
    expect(dirtyRangesOf(disk, 'bits')).toEqual([]);
    expect(refusal(disk, () => dirtyRangesOf(disk, 'none'))).toBe(missing);
  });
});

describe('a bitmap that was not saved properly', () => {
  /** An image whose last writer has come to a sudden end. */
  function crashedImage(): ImageFiles {
    const files = createImage(new ImageFiles(), MEBIBYTE, { cluster_size: 4096 });
    const disk = openWritable(files);
    bitmapsOf(disk).createSync('lost');
    bitmapsOf(disk).createSync('lost, too', { enabled: false });
    disk.writeSync(contentOf(1, 4096), 0);
    disk.flushSync();
    return new ImageFiles(new MemoryStorage(files.imageBytes, 'image'));
  }

  it('can be listed and removed, and nothing else', () => {
    const files = crashedImage();
    for (const writable of [false, true]) {
      const disk = openWritable(files, { writable });
      expect(disk.warnings).toEqual([]);
      expect(
        bitmapsOf(disk)
          .list()
          .map(({ flags }) => flags),
      ).toEqual([['in-use', 'auto'], ['in-use']]);
      const lost = 'corrupt qcow2.bitmap-inconsistent';
      expect(refusal(disk, () => dirtyRangesOf(disk, 'lost'))).toBe(lost);
      if (!writable) continue;
      for (const change of ['enableSync', 'disableSync', 'clearSync'] as const) {
        expect(refusal(disk, (bitmaps) => bitmaps[change]('lost'))).toBe(lost);
      }
      expect(refusal(disk, (bitmaps) => bitmaps.mergeSync('lost, too', ['lost']))).toBe(lost);
      expect(refusal(disk, (bitmaps) => bitmaps.mergeSync('lost', ['lost, too']))).toBe(lost);
      const resize = () => disk.capabilities.resizing!.resizeSync(2 * MEBIBYTE);
      expect(errorOf(resize).detail).toBe('qcow2.bitmap-inconsistent');
      bitmapsOf(disk).removeSync('lost');
      bitmapsOf(disk).removeSync('lost, too');
      resize();
      disk.closeSync();
    }
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });
});

describe('data beside a bitmap that nobody here knows', () => {
  /** An image with a bitmap whose entry has extra data. */
  function withExtraData(flags: number): ImageFiles {
    const files = createImage(new ImageFiles(), MEBIBYTE, { cluster_size: 4096 });
    const disk = openWritable(files);
    bitmapsOf(disk).createSync('bits of it', { granularityBytes: 4096 });
    disk.closeSync();
    const image = Uint8Array.from([...files.imageBytes, ...new Uint8Array(4096)]);
    const { extension, directory } = bitmapPlaces(image);
    image.copyWithin(directory + 32, directory + 24, directory + 40);
    image.fill(0xab, directory + 24, directory + 32);
    writeU32be(image, directory + 12, flags);
    writeU32be(image, directory + 20, 8);
    image[extension + 15]! += 8;
    return new ImageFiles(new MemoryStorage(image, 'image'));
  }

  it('is kept where the bitmap may be used all the same', () => {
    const files = withExtraData(2 + 4);
    const disk = openWritable(files);
    expect(disk.warnings).toEqual([]);
    disk.writeSync(contentOf(1, 4096), 4096);
    bitmapsOf(disk).createSync('other');
    disk.closeSync();
    const image = files.imageBytes;
    const { directory } = bitmapPlaces(image);
    expect([...image.subarray(directory + 24, directory + 32)]).toEqual(Array(8).fill(0xab));
    const again = openWritable(files, { writable: false });
    expect(dirtyRangesOf(again, 'bits of it')).toEqual([{ guestOffset: 4096, lengthBytes: 4096 }]);
  });

  it('keeps the bitmap from being used, and writing makes it invalid', () => {
    const files = withExtraData(2);
    const reading = openWritable(files, { writable: false });
    expect(refusal(reading, () => dirtyRangesOf(reading, 'bits of it'))).toBe(
      'unsupported qcow2.bitmap-not-understood',
    );
    const disk = openWritable(files);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['qcow2.bitmap-given-up']);
    disk.closeSync();
    const again = openWritable(files, { writable: false });
    expect(bitmapsOf(again).list()[0]!.flags).toEqual(['in-use', 'auto']);
  });
});

describe('memory for bitmaps', () => {
  const SIZE = 4 * 1024 * MEBIBYTE;
  const small: OpenWritableOptions = { limits: { maxStructureBytes: 40_000 } };

  /** Writes one sector in each of 20 stretches that take a page of bits each. */
  function scatter(disk: DiskFile): void {
    for (let at = 0; at < 20; at++) disk.writeSync(contentOf(at, 512), at * 64 * MEBIBYTE);
  }

  it('that runs out makes a bitmap call too much dirty, never too little', () => {
    const files = createImage(new ImageFiles(), SIZE);
    const disk = openWritable(files, small);
    bitmapsOf(disk).createSync('bits', { granularityBytes: 512 });
    scatter(disk);
    const live = dirtyRangesOf(disk, 'bits');
    disk.closeSync();
    expect(dirtyRangesOf(openWritable(files, { writable: false }), 'bits')).toEqual(live);
    const covers = (offset: number) =>
      live.some((range) => {
        const { guestOffset, lengthBytes } = range;
        return guestOffset <= offset && offset + 512 <= guestOffset + lengthBytes;
      });
    for (let at = 0; at < 20; at++) expect(covers(at * 64 * MEBIBYTE)).toBe(true);
    const dirtyBytes = live.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    expect(dirtyBytes).toBeGreaterThan(20 * 512);
    expect(dirtyBytes).toBeLessThan(SIZE / 2);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('that runs out while an image is opened is warned of', () => {
    const files = createImage(new ImageFiles(), SIZE);
    const first = openWritable(files);
    bitmapsOf(first).createSync('bits', { granularityBytes: 512 });
    scatter(first);
    first.closeSync();
    const exact = dirtyRangesOf(openWritable(files, { writable: false }), 'bits');
    const disk = openWritable(files, small);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['qcow2.bitmap-coarse']);
    const coarse = dirtyRangesOf(disk, 'bits');
    expect(coarse.map(({ guestOffset }) => guestOffset)).toEqual(
      exact.map(({ guestOffset }) => guestOffset),
    );
    disk.closeSync();
    expect(dirtyRangesOf(openWritable(files, { writable: false }), 'bits')).toEqual(coarse);
  });

  it('is not there for a bitmap whose emptiness is too large', () => {
    const disk = openWritable(createImage(new ImageFiles(), SIZE), small);
    for (let count = 0; count < 19; count++) {
      bitmapsOf(disk).createSync(`bits ${count}`, { granularityBytes: 512, enabled: true });
    }
    const make = (bitmaps: DiskBitmaps) => {
      for (let at = 0; at < 100; at++) bitmaps.createSync(`${at}`, { granularityBytes: 512 });
    };
    expect(refusal(disk, make)).toBe('limit qcow2.bitmap-too-large');
    const { length } = bitmapsOf(disk).list();
    bitmapsOf(disk).removeSync('bits 0');
    bitmapsOf(disk).createSync('once more', { granularityBytes: 512 });
    expect(bitmapsOf(disk).list()).toHaveLength(length);
  });
});
