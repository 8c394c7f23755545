import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { type DiskFile, type Limits, MemoryStorage } from '@diskfile/core';
import { type BitmapPlace, type BitmapPlaces, bitmapPlaces } from '../support/bitmap-places.ts';
import { contentOf } from '../support/content.ts';
import { dirtyRangesOf } from '../support/dirty-ranges.ts';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const SIZE = 8 * 1024 * 1024;
const CLUSTER_BYTES = 512;

/** An image with data in each cluster of a stretch, an enabled bitmap and a disabled one. */
function sampleImage(): Uint8Array {
  const files = createImage(new ImageFiles(), SIZE, { cluster_size: CLUSTER_BYTES });
  const disk = openWritable(files);
  const bitmaps = disk.capabilities.bitmaps!;
  bitmaps.createSync('on', { granularityBytes: 512 });
  bitmaps.createSync('off', { granularityBytes: 512 });
  for (let at = 0; at < 100; at++) disk.writeSync(contentOf(at, 512), at * 4096);
  bitmaps.disableSync('off');
  disk.closeSync();
  return files.imageBytes;
}

const SAMPLE = sampleImage();
const CONTENT = readAll(open(SAMPLE.slice(), false).disk);
const SAMPLE_RANGES = dirtyRangesOf(open(SAMPLE.slice(), false).disk, 'on');

interface Opened {
  readonly files: ImageFiles;
  readonly disk: DiskFile;
}

function open(image: Uint8Array, writable = true, limits: Partial<Limits> = {}): Opened {
  const files = new ImageFiles(new MemoryStorage(image, 'image'));
  return { files, disk: openWritable(files, { writable, limits }) };
}

/** The sample with something changed in it. */
function damaged(damage: (image: Uint8Array, places: BitmapPlaces) => void): Uint8Array {
  const image = SAMPLE.slice();
  damage(image, bitmapPlaces(image));
  return image;
}

function flagsOf(disk: DiskFile): string[] {
  return disk.capabilities.bitmaps!.list().map(({ flags }) => flags.join(' '));
}

function detailsOf({ warnings }: DiskFile): string[] {
  return warnings.map(({ detail }) => detail);
}

/** Where the first L2 table lies. */
function l2Offset(image: Uint8Array): number {
  const view = new DataView(image.buffer);
  const l1 = Number(view.getBigUint64(40));
  return Number(view.getBigUint64(l1) & 0x00ff_ffff_ffff_fe00n);
}

type Damage = [
  what: string,
  damage: (image: Uint8Array, bitmap: BitmapPlace, places: BitmapPlaces) => void,
];

/** Tables that say nothing, or cannot be where they are said to be. */
const BROKEN_TABLES: Damage[] = [
  ['a table past the end', (image, { entry }) => writeU64be(image, entry, 2 ** 40)],
  ['a table at 0', (image, { entry }) => writeU64be(image, entry, 0)],
  ['a table between clusters', (image, { entry, table }) => writeU64be(image, entry, table + 8)],
  ['an endless table', (image, { entry }) => writeU32be(image, entry + 8, 2 ** 31)],
  ['a table of nothing', (image, { entry }) => writeU32be(image, entry + 8, 0)],
  ['bits past the end', (image, { table }) => writeU64be(image, table, 2 ** 40)],
  ['bits between clusters', (image, { table }) => writeU64be(image, table, 520)],
  ['reserved bits', (image, { table }) => writeU64be(image, table, 4)],
  ['ones that have a place', (image, { table }) => void (image[table + 7]! += 1)],
];

/** Clusters that are not the bitmap's alone. */
const OVERLAPS: Damage[] = [
  ['bits in an L2 table', (image, { table }) => writeU64be(image, table, l2Offset(image))],
  ['bits in the L1 table', (image, { table }) => void image.copyWithin(table, 40, 48)],
  ['bits in the refcount table', (image, { table }) => void image.copyWithin(table, 48, 56)],
  [
    'bits in the directory',
    (image, { table }, { directory }) => writeU64be(image, table, directory),
  ],
  ['the same bits twice', (image, { table }) => void image.copyWithin(table + 8, table, table + 8)],
  ['bits in a cluster that counts as free', (image, { table }) => setFree(image, table)],
  ['a table in the L1 table', (image, { entry }) => void image.copyWithin(entry, 40, 48)],
];

/** Tables that are the bitmap's own, of bitmaps that do not go with the disk. */
const MISFITS: Damage[] = [
  ['a short table', (image, { entry }) => writeU32be(image, entry + 8, 1)],
  ['an unknown flag', (image, { entry }) => void (image[entry + 13] = 1)],
  ['an absurd granularity', (image, { entry }) => void (image[entry + 17] = 40)],
];

/** Sets the refcount of the cluster that a table entry names to 0. */
function setFree(image: Uint8Array, tableEntry: number): void {
  const view = new DataView(image.buffer);
  const block = Number(view.getBigUint64(Number(view.getBigUint64(48))));
  view.setUint16(block + (Number(view.getBigUint64(tableEntry)) / CLUSTER_BYTES) * 2, 0);
}

/** Writes to a disk and closes it; nothing but that may have changed on it. */
function writeAndClose({ files, disk }: Opened, content: Uint8Array): void {
  const bytes = contentOf(77, 2000);
  disk.writeSync(bytes, 614_400);
  content.set(bytes, 614_400);
  disk.closeSync();
  expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
}

describe('a damaged directory', () => {
  it.each<[string, (image: Uint8Array, places: BitmapPlaces) => void]>([
    ['in the L1 table', (image, { extension }) => void image.copyWithin(extension + 16, 40, 48)],
    ['between clusters', (image, { extension }) => void (image[extension + 23] = 8)],
    ['past the end', (image, { extension }) => writeU64be(image, extension + 16, 2 ** 40)],
    ['of the wrong length', (image, { extension }) => writeU64be(image, extension + 8, 24)],
    ['of too many bitmaps', (image, { extension }) => writeU32be(image, extension, 2 ** 31)],
    [
      'with an entry that is none',
      (image, { bitmaps }) => void (image[bitmaps[1]!.entry + 16] = 7),
    ],
  ])('is dropped when the disk is written: %s', (_, damage) => {
    const opened = open(damaged(damage));
    expect(detailsOf(opened.disk)).toEqual(['qcow2.bitmaps-damaged']);
    expect(opened.disk.capabilities.bitmaps!.list()).toEqual([]);
    opened.disk.capabilities.bitmaps!.createSync('new');
    writeAndClose(opened, CONTENT.slice());
    expect(verifyImage(opened.files.imageBytes).errors).toEqual([]);
    expect(flagsOf(openWritable(opened.files, { writable: false }))).toEqual(['auto']);
  });

  it('that another program left behind is dropped as well', () => {
    const opened = open(damaged((image) => void (image[95] = 0)));
    expect(detailsOf(opened.disk)).toEqual(['qcow2.bitmaps-stale']);
    writeAndClose(opened, CONTENT.slice());
    const again = openWritable(opened.files);
    expect(again.warnings).toEqual([]);
    expect(again.capabilities.bitmaps!.list()).toEqual([]);
    // Whether their clusters are still theirs cannot be told, so they are not given back.
    expect(verifyImage(opened.files.imageBytes).leaks.length).toBeGreaterThan(3);
  });
});

describe('a damaged bitmap', () => {
  it.each(MISFITS)('does not keep the disk from being written: %s', (_, damage) => {
    const opened = open(damaged((image, places) => damage(image, places.bitmaps[0]!, places)));
    const content = CONTENT.slice();
    expect(detailsOf(opened.disk)).toEqual(['qcow2.bitmap-given-up']);
    expect(flagsOf(opened.disk)).toEqual(['in-use auto', '']);
    expect(dirtyRangesOf(opened.disk, 'off')).toEqual(SAMPLE_RANGES);
    writeAndClose(opened, content);
    const { files } = opened;
    const again = openWritable(files);
    expect(again.warnings).toEqual([]);
    expect(flagsOf(again)[0]).toContain('in-use auto');
    again.capabilities.bitmaps!.removeSync('on');
    writeAndClose({ files, disk: again }, content);
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
    const left = openWritable(files, { writable: false });
    expect(flagsOf(left)).toEqual(['']);
    expect(dirtyRangesOf(left, 'off')).toEqual(SAMPLE_RANGES);
  });

  it.each(MISFITS)('that is not enabled is left alone: %s', (_, damage) => {
    const image = damaged((bytes, places) => damage(bytes, places.bitmaps[1]!, places));
    const before = bitmapPlaces(image).bitmaps[1]!;
    const opened = open(image);
    const content = CONTENT.slice();
    const { files, disk } = opened;
    expect(disk.warnings).toEqual([]);
    expect(errorOf(() => dirtyRangesOf(disk, 'off')).detail).toMatch(
      /^qcow2\.bitmap-(damaged|not-understood)$/,
    );
    for (const change of ['enableSync', 'disableSync', 'clearSync'] as const) {
      expect(errorOf(() => disk.capabilities.bitmaps![change]('off')).detail).toMatch(/bitmap/);
    }
    const flags = flagsOf(disk);
    writeAndClose(opened, content);
    const again = openWritable(files);
    expect(flagsOf(again)).toEqual(flags);
    expect(bitmapPlaces(files.imageBytes).bitmaps[1]).toMatchObject({ table: before.table });
    again.capabilities.bitmaps!.removeSync('off');
    writeAndClose({ files, disk: again }, content);
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
    const left = openWritable(files, { writable: false });
    expect(left.capabilities.bitmaps!.list()).toHaveLength(1);
    const written = { guestOffset: 614_400, lengthBytes: 2048 };
    expect(dirtyRangesOf(left, 'on')).toEqual([...SAMPLE_RANGES, written]);
  });

  const dropped = [...BROKEN_TABLES, ...OVERLAPS].flatMap(([what, damage]) =>
    [0, 1].map((index) => ({ what, name: ['on', 'off'][index]!, index, damage })),
  );
  it.each(dropped)('is dropped with the first write: $name has $what', ({ index, damage }) => {
    const opened = open(damaged((image, places) => damage(image, places.bitmaps[index]!, places)));
    const content = CONTENT.slice();
    expect(detailsOf(opened.disk)).toEqual(['qcow2.bitmap-dropped']);
    expect(flagsOf(opened.disk)).toEqual([['', 'auto'][index]]);
    writeAndClose(opened, content);
    const { files } = opened;
    const again = openWritable(files);
    expect(again.warnings).toEqual([]);
    const written = index === 0 ? [] : [{ guestOffset: 614_400, lengthBytes: 2048 }];
    const left = ['off', 'on'][index]!;
    expect(dirtyRangesOf(again, left)).toEqual([...SAMPLE_RANGES, ...written]);
    again.capabilities.bitmaps!.removeSync(left);
    writeAndClose({ files, disk: again }, content);
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
  });

  it.each([...BROKEN_TABLES, ...MISFITS])('is not read: %s', (_, damage) => {
    const image = damaged((bytes, places) => damage(bytes, places.bitmaps[1]!, places));
    const { disk } = open(image, false);
    expect(['corrupt', 'unsupported', 'limit']).toContain(
      errorOf(() => dirtyRangesOf(disk, 'off')).code,
    );
    expect(dirtyRangesOf(disk, 'on')).toEqual(SAMPLE_RANGES);
  });

  it('among many is not warned of many times', () => {
    const files = createImage(new ImageFiles(), SIZE, { cluster_size: CLUSTER_BYTES });
    const disk = openWritable(files);
    for (let count = 0; count < 100; count++) disk.capabilities.bitmaps!.createSync(`${count}`);
    disk.closeSync();
    const image = files.imageBytes;
    for (const { entry } of bitmapPlaces(image).bitmaps.slice(0, 90)) writeU64be(image, entry, 0);
    const opened = open(image);
    expect(opened.disk.warnings).toHaveLength(21);
    expect(opened.disk.warnings.at(-1)!.message).toBe('There are 70 more warnings about bitmaps');
    expect(opened.disk.capabilities.bitmaps!.list()).toHaveLength(10);
    opened.disk.closeSync();
    expect(verifyImage(opened.files.imageBytes).errors).toEqual([]);
  });

  it('does not lend its clusters to another: both are dropped', () => {
    const image = damaged((bytes, { bitmaps: [on, off] }) => {
      bytes.copyWithin(off!.table, on!.table, on!.table + 8);
    });
    const opened = open(image);
    expect(detailsOf(opened.disk)).toEqual(['qcow2.bitmap-dropped', 'qcow2.bitmap-dropped']);
    writeAndClose(opened, CONTENT.slice());
    expect(verifyImage(opened.files.imageBytes).errors).toEqual([]);
    expect(flagsOf(openWritable(opened.files))).toEqual([]);
  });
});
