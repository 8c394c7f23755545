import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const BASE = contentOf(5, 59_904);
const OTHER = contentOf(6, 59_904);
const OVER_BASE = { backing_file: 'base', backing_fmt: 'raw' };

function filesFor(storage = new CrashStorage(new Uint8Array(0), 'image')): ImageFiles {
  const files = new ImageFiles(storage);
  files.others.set('base', new MemoryStorage(BASE.slice(), 'base'));
  files.others.set('other', new MemoryStorage(OTHER.slice(), 'other'));
  return files;
}

function overlay(options: CreateOptions = {}, storage?: CrashStorage): ImageFiles {
  return createImage(filesFor(storage), BASE.length, {
    cluster_size: 1024,
    ...OVER_BASE,
    ...options,
  });
}

const reopen = (files: ImageFiles) => openWritable(files, { writable: false });

function change<T>(files: ImageFiles, body: (disk: DiskFile) => T): T {
  const disk = openWritable(files);
  try {
    return body(disk);
  } finally {
    disk.closeSync();
  }
}

describe('the reference to the image below', () => {
  it('is replaced, and removed', () => {
    const files = overlay();
    change(files, (disk) => {
      disk.writeSync(contentOf(9, 5000), 3000);
      const { backing } = disk.capabilities;
      expect(backing!.reference).toEqual({ name: 'base', format: 'raw' });
      backing!.setReferenceSync({ name: 'other', format: 'raw' });
      expect(backing!.reference).toEqual({ name: 'other', format: 'raw' });
    });
    const disk = reopen(files);
    expect(disk.info()[0]!.backing).toEqual({ name: 'other', format: 'raw' });
    const expected = OTHER.slice();
    expected.set(BASE.subarray(2048, 8192), 2048);
    expected.set(contentOf(9, 5000), 3000);
    expect(firstDifference(readAll(disk), expected)).toBe(-1);
    change(files, ({ capabilities }) => capabilities.backing!.setReferenceSync(undefined));
    const alone = reopen(files);
    expect(alone.info()[0]!.backing).toBeUndefined();
    expect(
      readAll(alone)
        .subarray(0, 2048)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('goes with all that was written before', () => {
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = overlay({}, storage);
    const disk = openWritable(files);
    disk.writeSync(contentOf(9, 5000), 3072);
    disk.capabilities.backing!.setReferenceSync({ name: 'other', format: 'raw' });
    const crashed = filesFor(
      new CrashStorage(
        storage.crashed(() => false),
        'image',
      ),
    );
    const found = readAll(reopen(crashed));
    expect(firstDifference(found.subarray(3072, 8072), contentOf(9, 5000))).toBe(-1);
  });

  it('is refused when it does not fit the image', () => {
    const set = (files: ImageFiles, name: string, format?: string) =>
      change(files, ({ capabilities }) =>
        errorOf(() => capabilities.backing!.setReferenceSync({ name, format })),
      );
    const files = overlay();
    const before = files.imageBytes;
    expect(set(files, '', 'raw').detail).toBe('qcow2.backing-name');
    expect(set(files, 'x'.repeat(1024), 'raw').detail).toBe('qcow2.backing-name');
    expect(set(files, 'other', '').detail).toBe('qcow2.backing-format');
    expect(set(files, 'other').detail).toBe('qcow2.backing-format');
    expect(set(files, 'other', 'x'.repeat(16)).detail).toBe('qcow2.backing-format');
    expect(firstDifference(files.imageBytes, before)).toBe(-1);
    change(files, ({ capabilities }) =>
      capabilities.backing!.setReferenceSync({ name: 'x'.repeat(700), format: 'x'.repeat(15) }),
    );
    const small = overlay({ cluster_size: 512 });
    expect(set(small, 'x'.repeat(512), 'raw').detail).toBe('qcow2.names-too-long');
    const raw = createImage(filesFor(), 60_000, { data_file: 'data', data_file_raw: true });
    expect(set(raw, 'base', 'raw').detail).toBe('qcow2.backing-raw-data-file');
    change(raw, ({ capabilities }) => capabilities.backing!.setReferenceSync(undefined));
  });

  it('does not make zeros of what is still read from the image below', () => {
    const files = overlay({ compat: '0.10' });
    change(files, (disk) => {
      disk.capabilities.backing!.setReferenceSync(undefined);
      disk.writeZeroesSync(0, 4096);
      expect(
        readAll(disk)
          .subarray(0, 4096)
          .every((byte) => byte === 0),
      ).toBe(true);
    });
  });
});

const DROPPED: [name: string, options: CreateOptions, l1Tables: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 2],
  ['512-byte clusters, 64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 2],
  ['version 2', { compat: '0.10' }, 1],
  ['1-bit refcounts', { refcount_bits: 1 }, 1],
  ['lazy refcounts', { lazy_refcounts: true }, 1],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 1],
  ['data file', { data_file: 'data' }, 1],
];

/** Writes here and there, so that every kind of entry is among them. */
function scribble(disk: DiskFile): void {
  disk.writeSync(contentOf(9, 20_000), 3000);
  disk.writeZeroesSync(30_000, 9000, { mayUnmap: false });
  disk.writeSync(contentOf(8, 5000), 40_000);
  disk.writeZeroesSync(40_960, 2048, { mayUnmap: true });
  disk.discardSync(4096, 4096);
}

describe('dropping the content', () => {
  it.each(DROPPED)('%s: shows the image below and frees everything', (_, options) => {
    const files = overlay(options);
    const empty = reopen(files).physicalSizeBytes();
    change(files, (disk) => {
      scribble(disk);
      expect(firstDifference(readAll(disk), BASE)).not.toBe(-1);
      disk.capabilities.backing!.dropContentSync();
      expect(firstDifference(readAll(disk), BASE)).toBe(-1);
    });
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
    const disk = reopen(files);
    expect(firstDifference(readAll(disk), BASE)).toBe(-1);
    expect([...disk.blockStatusSync()].every(({ depth }) => depth === 1)).toBe(true);
    // The L1 table of a new image does not fill its cluster.
    expect(disk.physicalSizeBytes()).toBeLessThan(empty + disk.topology.clusterBytes);
    // It can be filled again, in the space that has become free.
    change(files, (again) => {
      scribble(again);
      again.capabilities.backing!.dropContentSync();
      scribble(again);
    });
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('works as QEMU does it on a device, which keeps its size', () => {
    const files = overlay();
    files.image.truncateSync(200 * 1024);
    files.image.truncateSync = () => {
      throw new DiskError('unsupported', 'storage.device-size', 'a device keeps its size');
    };
    const disk = openWritable(files, { asQemu: true });
    scribble(disk);
    disk.capabilities.backing!.dropContentSync();
    disk.closeSync();
    expect(firstDifference(readAll(reopen(files)), BASE)).toBe(-1);
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  const DROPPED_ALIKE = [false, true].flatMap((asQemu) =>
    DROPPED.map(([name, options]) => [name, asQemu, options] as const),
  );

  it.each(DROPPED_ALIKE)('%s, as QEMU %s: leaves leaks at most when the power goes', (...how) => {
    const [, asQemu, options] = how;
    const random = randomFrom(3);
    let states = 0;
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = overlay(options, storage);
    const disk = openWritable(files, { asQemu });
    scribble(disk);
    disk.flushSync();
    const before = readAll(disk);
    storage.onOperation = () => {
      for (const share of [0, 0.3, 0.7, 1]) {
        const image = new CrashStorage(
          storage.crashed(() => random() < share),
          'image',
        );
        const crashed = filesFor(image);
        const data = files.others.get('data');
        if (data !== undefined) crashed.others.set('data', data);
        const found = readAll(openWritable(crashed));
        expect(found.findIndex((byte, at) => byte !== before[at] && byte !== BASE[at])).toBe(-1);
        expect(verifyImage(crashed.imageBytes).errors).toEqual([]);
        states += 1;
      }
    };
    disk.capabilities.backing!.dropContentSync();
    disk.closeSync();
    expect(states).toBeGreaterThan(12);
  });

  it.each(DROPPED)('%s: works again after a host that failed', (_, options) => {
    for (let failAt = 0; failAt < 40; failAt++) {
      const storage = new CrashStorage(new Uint8Array(0), 'image');
      const files = overlay(options, storage);
      const disk = openWritable(files);
      scribble(disk);
      disk.flushSync();
      const before = readAll(disk);
      storage.failAt = storage.operations + failAt;
      let failed = false;
      try {
        disk.capabilities.backing!.dropContentSync();
      } catch (error) {
        expect(error).toMatchObject({ detail: 'test.fault' });
        failed = true;
      }
      const found = readAll(disk);
      expect(found.findIndex((byte, at) => byte !== before[at] && byte !== BASE[at])).toBe(-1);
      storage.failAt = undefined;
      disk.capabilities.backing!.dropContentSync();
      expect(firstDifference(readAll(disk), BASE)).toBe(-1);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
      if (!failed) return;
    }
    throw new Error('never came to an end');
  });

  it('refuses tables that would free metadata', () => {
    const files = overlay();
    change(files, (disk) => disk.writeSync(contentOf(9, 1024), 0));
    const view = new DataView(files.imageBytes.buffer);
    const l1 = Number(view.getBigUint64(40));
    const l2 = Number(view.getBigUint64(l1) & 0x00ff_ffff_ffff_fe00n);
    const l2Entry = new Uint8Array(8);
    // The second cluster is said to lie where the header is, the third between two clusters.
    for (const [offset, detail] of [
      [1024n, 'qcow2.overlap'],
      [0x10_0200n, 'qcow2.l2-entry-unaligned'],
    ] as const) {
      new DataView(l2Entry.buffer).setBigUint64(0, offset);
      files.image.writeSync(l2Entry, l2 + 8);
      const disk = openWritable(files);
      expect(errorOf(() => disk.capabilities.backing!.dropContentSync()).detail).toBe(detail);
      disk.closeSync();
    }
  });
});
