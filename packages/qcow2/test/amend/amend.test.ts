import { describe, expect, it } from 'vitest';
import { type DiskFile, type FormatOptions, MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { errorOf, firstDifference, openImage, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const SIZE = 59_904;
const BASE = contentOf(5, SIZE);
const OVER_BASE = { backing_file: 'base', backing_fmt: 'raw' };

function filesFor(storage: CrashStorage): ImageFiles {
  const files = new ImageFiles(storage);
  files.others.set('base', new MemoryStorage(BASE.slice(), 'base'));
  files.others.set('data', new MemoryStorage(new Uint8Array(0), 'data'));
  return files;
}

/** An image with data, zeros with and without clusters behind them, and holes. */
function makeFiles(options: CreateOptions, storage = new CrashStorage(new Uint8Array(0), 'image')) {
  const files = createImage(filesFor(storage), SIZE, { cluster_size: 1024, ...options });
  const disk = openWritable(files);
  disk.writeSync(contentOf(9, 20_000), 3000);
  disk.writeSync(contentOf(8, 9000), 30_000);
  disk.writeZeroesSync(10_240, 4096, { mayUnmap: false });
  disk.writeZeroesSync(30_720, 2048, { mayUnmap: true });
  disk.writeZeroesSync(45_056, 4096, { mayUnmap: true });
  disk.closeSync();
  return files;
}

const reopen = (files: ImageFiles) => openWritable(files, { writable: false });
const detailsOf = (disk: DiskFile) => disk.info()[0]!.details;

function amend(files: ImageFiles, options: FormatOptions): void {
  const disk = openWritable(files);
  try {
    disk.capabilities.amending!.amendSync(options);
  } finally {
    disk.closeSync();
  }
}

type Amended = [
  name: string,
  create: CreateOptions,
  amend: FormatOptions,
  expected: Readonly<Record<string, unknown>>,
];

const AMENDED: Amended[] = [
  ['to version 3', { compat: '0.10' }, { compat: '1.1' }, { compat: '1.1' }],
  [
    'to version 3 with all there is',
    { compat: '0.10', ...OVER_BASE },
    { compat: 'v3', lazy_refcounts: 'on', refcount_bits: '64' },
    { compat: '1.1', lazyRefcounts: true, refcountBits: 64 },
  ],
  ['to version 2', {}, { compat: '0.10' }, { compat: '0.10', lazyRefcounts: false }],
  ['to version 2, over a base', OVER_BASE, { compat: 'v2' }, { compat: '0.10' }],
  [
    'to version 2, with lazy refcounts that it has not',
    { ...OVER_BASE, lazy_refcounts: true },
    { compat: '0.10' },
    { compat: '0.10', lazyRefcounts: false },
  ],
  [
    'to version 2, of narrower refcounts',
    { refcount_bits: 4 },
    { compat: '0.10', refcount_bits: 16 },
    { compat: '0.10', refcountBits: 16 },
  ],
  [
    'to version 2, of zstd that was never used',
    { compression_type: 'zstd' },
    { compat: '0.10' },
    { compat: '0.10', compressionType: 'zlib' },
  ],
  ['refcounts of 1 bit', {}, { refcount_bits: 1 }, { refcountBits: 1 }],
  ['refcounts of 64 bits', { cluster_size: 512 }, { refcount_bits: 64 }, { refcountBits: 64 }],
  ['refcounts of 8 bits', { refcount_bits: 1 }, { refcount_bits: 8 }, { refcountBits: 8 }],
  ['lazy refcounts', {}, { lazy_refcounts: true }, { lazyRefcounts: true }],
  [
    'no lazy refcounts',
    { lazy_refcounts: true },
    { lazy_refcounts: 'off' },
    { lazyRefcounts: false },
  ],
  [
    'a data file that need not be raw',
    { data_file: 'data', data_file_raw: true },
    { data_file_raw: false },
    { dataFileRaw: false, dataFile: 'data' },
  ],
];

/** The same, as a disk: what it has to read as at any moment. */
function expectSame(files: ImageFiles, content: Uint8Array): void {
  const disk = reopen(files);
  expect(firstDifference(readAll(disk).subarray(0, SIZE), content)).toBe(-1);
}

describe('amending', () => {
  it.each(AMENDED)('%s', (_, create, options, expected) => {
    const files = makeFiles(create);
    const content = readAll(reopen(files));
    const open = openWritable(files);
    open.capabilities.amending!.amendSync(options);
    expect(detailsOf(open)).toMatchObject(expected);
    // The disk goes on as what it has become.
    expect(firstDifference(readAll(open), content)).toBe(-1);
    open.writeSync(contentOf(4, 5000), 20_480);
    open.writeZeroesSync(0, 2048);
    content.set(contentOf(4, 5000), 20_480);
    content.fill(0, 0, 2048);
    expect(firstDifference(readAll(open), content)).toBe(-1);
    open.closeSync();
    expectSame(files, content);
    expect(detailsOf(reopen(files))).toMatchObject(expected);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('grows the disk', () => {
    const files = makeFiles(OVER_BASE);
    const content = readAll(reopen(files));
    amend(files, { size: '1M', lazy_refcounts: true });
    const disk = reopen(files);
    expect(disk.sizeBytes).toBe(1024 * 1024);
    expect(
      readAll(disk)
        .subarray(SIZE)
        .every((byte) => byte === 0),
    ).toBe(true);
    expectSame(files, content);
  });

  it('renames the data file', () => {
    const files = makeFiles({ data_file: 'data' });
    const content = readAll(reopen(files));
    amend(files, { data_file: 'moved' });
    files.others.set('moved', files.others.get('data')!);
    files.others.delete('data');
    expectSame(files, content);
  });

  it.each<[name: string, create: CreateOptions, options: FormatOptions, detail: string]>([
    ['an option that is not one', {}, { foo: 1 }, 'qcow2.amend.foo'],
    ['an option of new images only', {}, { cluster_size: 4096 }, 'qcow2.amend.cluster_size'],
    ['preallocation', {}, { preallocation: 'full' }, 'qcow2.amend.preallocation'],
    ['encryption', {}, { 'encrypt.new-secret': 'x' }, 'qcow2.encrypted'],
    ['an unknown version', {}, { compat: '2' }, 'qcow2.amend.compat'],
    ['a flag that is none', {}, { lazy_refcounts: 'maybe' }, 'qcow2.amend.lazy_refcounts'],
    ['a width that is none', {}, { refcount_bits: 3 }, 'qcow2.amend.refcount_bits'],
    ['another backing file', OVER_BASE, { backing_file: 'x' }, 'qcow2.amend.backing_file'],
    ['no backing format', OVER_BASE, { backing_file: 'base' }, 'qcow2.amend.backing_file'],
    ['a data file in an image without', {}, { data_file: 'x' }, 'qcow2.amend.data_file'],
    [
      'a raw data file',
      { data_file: 'data' },
      { data_file_raw: true },
      'qcow2.amend.data_file_raw',
    ],
    ['half a sector', {}, { size: 1000 }, 'qcow2.amend.size'],
    ['a smaller disk', {}, { size: 512 }, 'disk.shrink-refused'],
    ['version 2 with a data file', { data_file: 'data' }, { compat: '0.10' }, 'qcow2.amend.compat'],
    [
      'version 2 with extended entries',
      { extended_l2: true, cluster_size: 16_384 },
      { compat: '0.10' },
      'qcow2.amend.compat',
    ],
    [
      'version 2 with wide refcounts',
      { refcount_bits: 32 },
      { compat: '0.10' },
      'qcow2.amend.refcount_bits',
    ],
    [
      'wide refcounts in version 2',
      { compat: '0.10' },
      { refcount_bits: 32 },
      'qcow2.amend.refcount_bits',
    ],
    [
      'lazy refcounts in version 2',
      { compat: '0.10' },
      { lazy_refcounts: true },
      'qcow2.amend.lazy_refcounts',
    ],
  ])('refuses %s', (_, create, options, detail) => {
    const files = makeFiles(create);
    const before = files.imageBytes;
    expect(errorOf(() => amend(files, options)).detail).toBe(detail);
    expect(firstDifference(files.imageBytes, before)).toBe(-1);
  });

  it('refuses refcounts that do not fit', () => {
    const files = makeFiles({});
    const disk = openWritable(files);
    disk.capabilities.snapshots!.createSync('one');
    disk.closeSync();
    const content = readAll(reopen(files));
    expect(errorOf(() => amend(files, { refcount_bits: 1 })).detail).toBe(
      'qcow2.amend.refcount_bits',
    );
    expectSame(files, content);
    amend(files, { refcount_bits: 2 });
    expectSame(files, content);
  });

  it('gives old snapshots what version 3 wants of them', () => {
    const files = makeFiles({ compat: '0.10' });
    const disk = openWritable(files);
    disk.capabilities.snapshots!.createSync('kept');
    disk.closeSync();
    const tableOffset = () => Number(new DataView(files.imageBytes.buffer).getBigUint64(64));
    const entryOf = (bytes: Uint8Array) => bytes.slice(tableOffset(), tableOffset() + 128);
    // As images of long ago have it: no extra data, the id and the name right behind the fields.
    const entry = entryOf(files.imageBytes);
    const old = entry.slice();
    old.copyWithin(40, 64, 64 + 5);
    new DataView(old.buffer).setUint32(36, 0);
    files.image.writeSync(old, tableOffset());
    const [before] = reopen(files).info()[0]!.snapshots;
    amend(files, { compat: '1.1' });
    expect(reopen(files).info()[0]!.snapshots).toEqual([before]);
    expect(before).toMatchObject({ id: '1', name: 'kept', diskSizeBytes: SIZE });
    const upgraded = new DataView(entryOf(files.imageBytes).buffer);
    expect(upgraded.getUint32(36)).toBe(24);
    expect(Number(upgraded.getBigUint64(48))).toBe(SIZE);
  });

  it('refuses version 2 for snapshots of another size, and for bitmaps', () => {
    const files = makeFiles({});
    const disk = openWritable(files);
    disk.capabilities.bitmaps!.createSync('dirty');
    expect(errorOf(() => disk.capabilities.amending!.amendSync({ compat: '0.10' })).detail).toBe(
      'qcow2.amend.compat',
    );
    disk.capabilities.bitmaps!.removeSync('dirty');
    disk.capabilities.snapshots!.createSync('one');
    disk.capabilities.resizing!.resizeSync(SIZE + 512);
    expect(errorOf(() => disk.capabilities.amending!.amendSync({ compat: '0.10' })).detail).toBe(
      'qcow2.amend.compat',
    );
    disk.closeSync();
    expect(detailsOf(reopen(files))).toMatchObject({ compat: '1.1' });
  });

  it.each<[name: string, create: CreateOptions, options: FormatOptions]>([
    ['version 2', {}, { compat: '0.10' }],
    ['version 2, over a base', OVER_BASE, { compat: '0.10' }],
    ['wider refcounts', OVER_BASE, { refcount_bits: 64 }],
  ])('keeps what snapshots hold, also when the power goes: %s', (_, create, options) => {
    const random = randomFrom(4);
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = makeFiles(create, storage);
    const disk = openWritable(files);
    disk.capabilities.snapshots!.createSync('kept');
    // The active state and the snapshot differ in who uses the clusters behind their zeros.
    disk.writeZeroesSync(3072, 8192, { mayUnmap: false });
    disk.writeZeroesSync(40_960, 2048, { mayUnmap: true });
    disk.flushSync();
    const active = readAll(disk);
    const readKept = (image: Uint8Array) =>
      readAll(openImage(image, { snapshot: 'kept', files: { base: BASE } }));
    const kept = readKept(storage.bytes.slice());
    expect(firstDifference(active, kept)).not.toBe(-1);
    let states = 0;
    const crash = () => {
      for (const share of [0, 0.4, 0.8, 1]) {
        const image = storage.crashed(() => random() < share);
        expect(firstDifference(readKept(image.slice()), kept)).toBe(-1);
        const crashed = openWritable(filesFor(new CrashStorage(image, 'image')));
        expect(firstDifference(readAll(crashed), active)).toBe(-1);
        states += 1;
      }
    };
    storage.onOperation = crash;
    disk.capabilities.amending!.amendSync(options);
    disk.closeSync();
    crash();
    expect(states).toBeGreaterThan(20);
    storage.onOperation = () => {};
    const reverted = openWritable(files);
    reverted.capabilities.snapshots!.applySync('kept');
    expect(firstDifference(readAll(reverted), kept)).toBe(-1);
    reverted.capabilities.snapshots!.deleteSync('kept');
    reverted.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it.each(AMENDED)('%s: leaves leaks at most when the power goes', (_, create, options) => {
    const random = randomFrom(3);
    let states = 0;
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = makeFiles(create, storage);
    const content = readAll(reopen(files));
    const disk = openWritable(files);
    storage.onOperation = () => {
      for (const share of [0, 0.3, 0.7, 1]) {
        const image = new CrashStorage(
          storage.crashed(() => random() < share),
          'image',
        );
        const crashed = filesFor(image);
        crashed.others.set('data', files.others.get('data')!);
        expect(firstDifference(readAll(openWritable(crashed)), content)).toBe(-1);
        expect(verifyImage(crashed.imageBytes).errors).toEqual([]);
        states += 1;
      }
    };
    disk.capabilities.amending!.amendSync(options);
    disk.closeSync();
    expect(states).toBeGreaterThan(8);
  });

  it.each(AMENDED)(
    '%s: is done after all when a host fails and recovers',
    (_, create, options, expected) => {
      for (let failAt = 0; failAt < 200; failAt++) {
        const storage = new CrashStorage(new Uint8Array(0), 'image');
        const files = makeFiles(create, storage);
        const content = readAll(reopen(files));
        const disk = openWritable(files);
        storage.failAt = storage.operations + failAt;
        let failed = false;
        try {
          disk.capabilities.amending!.amendSync(options);
        } catch (error) {
          expect(error).toMatchObject({ detail: 'test.fault' });
          failed = true;
        }
        expect(firstDifference(readAll(disk), content)).toBe(-1);
        storage.failAt = undefined;
        disk.capabilities.amending!.amendSync(options);
        expect(detailsOf(disk)).toMatchObject(expected);
        disk.closeSync();
        expectSame(files, content);
        const { errors, leaks } = verifyImage(files.imageBytes);
        expect(errors).toEqual([]);
        if (!failed) {
          expect(leaks).toEqual([]);
          return;
        }
      }
      throw new Error('never came to an end');
    },
  );
});
