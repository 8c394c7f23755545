import { describe, expect, it } from 'vitest';
import { readU16be, readU64be, writeU16be, writeU32be, writeU64be } from '@diskfile/bytes';
import { type DiskFile, type DiskSnapshots, MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const CLUSTER = 512;
const SIZE_BYTES = 65_536;

function snapshotsOf(disk: DiskFile): DiskSnapshots {
  return disk.capabilities.snapshots!;
}

/** A disk with data all over it. */
function newFiles(options: CreateOptions = {}): ImageFiles {
  const files = createImage(new ImageFiles(), SIZE_BYTES, { cluster_size: CLUSTER, ...options });
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, SIZE_BYTES), 0);
  disk.closeSync();
  return files;
}

/** Has snapshots "a" and "b", which hold different data. */
function imageWithSnapshots(options: CreateOptions = {}): Uint8Array {
  const files = newFiles(options);
  const disk = openWritable(files);
  snapshotsOf(disk).createSync('a');
  disk.writeSync(contentOf(2, 20_000), 0);
  snapshotsOf(disk).createSync('b');
  disk.writeSync(contentOf(3, 20_000), 10_000);
  disk.closeSync();
  return files.imageBytes;
}

function filesOf(bytes: Uint8Array): ImageFiles {
  return new ImageFiles(new MemoryStorage(bytes, 'image'));
}

/** Refused, with nothing changed in the file. */
function expectRefused(files: ImageFiles, action: (snapshots: DiskSnapshots) => void): string {
  const disk = openWritable(files);
  const before = files.imageBytes;
  const { detail } = errorOf(() => action(snapshotsOf(disk)));
  expect(firstDifference(files.imageBytes, before)).toBe(-1);
  return detail;
}

describe('a snapshot is refused', () => {
  it.each<[string, (snapshots: DiskSnapshots) => void, string]>([
    [
      'a name of 256 bytes',
      (all) => all.createSync('ü'.repeat(128)),
      'qcow2.snapshot-name-too-long',
    ],
    ['a name with a NUL', (all) => all.createSync('a\0b'), 'qcow2.snapshot-name'],
    [
      'a date before 1970',
      (all) => all.createSync('a', { date: new Date(-1000) }),
      'qcow2.snapshot-date',
    ],
    [
      'a date beyond 2106',
      (all) => all.createSync('a', { date: new Date(2 ** 32 * 1000) }),
      'qcow2.snapshot-date',
    ],
    [
      'no date at all',
      (all) => all.createSync('a', { date: new Date(Number.NaN) }),
      'argument.date',
    ],
    ['one that is not there', (all) => all.applySync('x'), 'disk.snapshot-not-found'],
  ])('%s', (_, action, detail) => {
    expect(expectRefused(newFiles(), action)).toBe(detail);
  });

  it('where refcounts cannot count it', () => {
    const files = newFiles({ refcount_bits: 1 });
    const detail = expectRefused(files, (all) => all.createSync('a'));
    expect(detail).toBe('qcow2.refcount-overflow');
    const narrow = newFiles({ refcount_bits: 2 });
    const disk = openWritable(narrow);
    snapshotsOf(disk).createSync('a');
    snapshotsOf(disk).createSync('b');
    const before = narrow.imageBytes;
    expect(errorOf(() => snapshotsOf(disk).createSync('c')).code).toBe('limit');
    expect(firstDifference(narrow.imageBytes, before)).toBe(-1);
    snapshotsOf(disk).deleteSync('a');
    snapshotsOf(disk).createSync('c');
    disk.closeSync();
    expect(verifyImage(narrow.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('where counting takes more memory than it may', () => {
    const files = newFiles();
    const disk = openWritable(files, { limits: { maxStructureBytes: 10_000 } });
    const before = files.imageBytes;
    const { code, detail } = errorOf(() => snapshotsOf(disk).createSync('a'));
    expect([code, detail]).toEqual(['limit', 'qcow2.too-many-clusters']);
    expect(firstDifference(files.imageBytes, before)).toBe(-1);
  });

  it.each([
    ['at no cluster', 0, 0x208],
    ['beyond all files', 0, 0xffff_ffff_ffff_0000],
    ['of too many entries', 8, 0x1000_0000_0000_0000],
  ])('whose L1 table is %s, and the image opens', (_, at, value) => {
    const image = imageWithSnapshots();
    const view = new DataView(image.buffer, image.byteOffset);
    const entry = readU64be(image, 64, 'snapshots_offset') + at;
    if (at === 0) view.setBigUint64(entry, BigInt(value));
    else view.setUint32(entry, Math.floor(value / 2 ** 32));
    const files = filesOf(image);
    expect(
      openWritable(files)
        .info()[0]!
        .snapshots.map(({ name }) => name),
    ).toEqual(['a', 'b']);
    for (const action of ['applySync', 'deleteSync'] as const) {
      expect(expectRefused(files, (all) => all[action]('a'))).toMatch(/^qcow2.snapshot-l1-table-/);
    }
  });

  it('where an external data file holds the clusters', () => {
    const files = newFiles({ data_file: 'data' });
    const disk = openWritable(files);
    expect(errorOf(() => snapshotsOf(disk).createSync('a')).code).toBe('unsupported');
  });

  it('while there are bitmaps, for applying', () => {
    const files = filesOf(imageWithSnapshots());
    const disk = openWritable(files);
    disk.capabilities.bitmaps!.createSync('changes');
    expect(errorOf(() => snapshotsOf(disk).applySync('a')).detail).toBe('qcow2.apply-with-bitmaps');
    snapshotsOf(disk).createSync('c');
    snapshotsOf(disk).deleteSync('a');
    disk.capabilities.bitmaps!.removeSync('changes');
    snapshotsOf(disk).applySync('b');
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('when its size is another, in version 2', () => {
    const image = imageWithSnapshots({ compat: '0.10' });
    writeU64be(image, 24, SIZE_BYTES / 2);
    const detail = expectRefused(filesOf(image), (all) => all.applySync('a'));
    expect(detail).toBe('qcow2.snapshot-size');
  });
});

/** Where things are in {@link imageWithSnapshots}. */
class Layout {
  readonly image: Uint8Array;
  readonly table: number;
  readonly refcountTable: number;
  readonly activeL1: number;

  constructor(image: Uint8Array) {
    this.image = image;
    this.table = readU64be(image, 64, 'snapshots_offset');
    this.refcountTable = readU64be(image, 48, 'refcount_table_offset');
    this.activeL1 = readU64be(image, 40, 'l1_table_offset');
  }

  /** The L1 table of the first snapshot. */
  get l1(): number {
    return readU64be(this.image, this.table, 'l1_table_offset');
  }

  get second(): number {
    return this.table + 40 + 24 + 2 + 6;
  }

  get l2(): number {
    return this.#offsetAt(this.l1);
  }

  get data(): number {
    return this.#offsetAt(this.l2);
  }

  get refcountBlock(): number {
    return this.#offsetAt(this.refcountTable);
  }

  #offsetAt(at: number): number {
    const top = this.image[at]!;
    this.image[at] = 0;
    const offset = readU64be(this.image, at, 'offset');
    this.image[at] = top;
    return offset;
  }

  setRefcount(hostOffset: number, count: number): void {
    const cluster = hostOffset / CLUSTER;
    const block = Math.floor(cluster / (CLUSTER / 2));
    const at = this.#offsetAt(this.refcountTable + block * 8);
    expect(readU16be(this.image, at + (cluster % (CLUSTER / 2)) * 2)).toBeGreaterThan(0);
    writeU16be(this.image, at + (cluster % (CLUSTER / 2)) * 2, count);
  }
}

const apply = (all: DiskSnapshots) => all.applySync('1');
const remove = (all: DiskSnapshots) => all.deleteSync('1');
const create = (all: DiskSnapshots) => {
  all.createSync('c');
};

describe('a damaged image is not changed', () => {
  it.each<
    [
      string,
      (image: Uint8Array, at: Layout) => void,
      string,
      readonly ((all: DiskSnapshots) => void)[],
    ]
  >([
    [
      'an L1 table that does not begin at a cluster',
      (image, at) => writeU64be(image, at.table, at.l1 + 8),
      'qcow2.snapshot-l1-table-unaligned',
      [apply, remove],
    ],
    [
      'two snapshots with one L1 table',
      (image, at) => writeU64be(image, at.second, at.l1),
      'qcow2.overlap',
      [create, apply, remove],
    ],
    [
      "a snapshot's L1 table in place of the active one",
      (image, at) => writeU64be(image, at.table, at.activeL1),
      'qcow2.overlap',
      [create, apply, remove],
    ],
    [
      "a snapshot's L1 table over the header",
      (image, at) => writeU64be(image, at.table, 0),
      'qcow2.overlap',
      [create, apply, remove],
    ],
    [
      'an L1 table beyond the file',
      (image, at) => writeU64be(image, at.table, 2 ** 40),
      'qcow2.l1-table-cut',
      [create, apply, remove],
    ],
    [
      'an L2 table beyond the file',
      (image, at) => writeU64be(image, at.l1, 2 ** 45),
      'qcow2.l2-table-place',
      [apply, remove],
    ],
    [
      'a refcount block that is called an L2 table',
      (image, at) => writeU64be(image, at.l1, at.refcountBlock),
      'qcow2.overlap',
      [apply, remove],
    ],
    [
      'a refcount block that is called data',
      (image, at) => writeU64be(image, at.l2, at.refcountBlock),
      'qcow2.overlap',
      [apply, remove],
    ],
    [
      "the snapshot's own L2 table that is called data",
      (image, at) => writeU64be(image, at.l2, at.l2),
      'qcow2.overlap',
      [apply, remove],
    ],
    [
      'data far beyond the file',
      (image, at) => writeU64be(image, at.l2, 2 ** 51),
      'qcow2.refcount-too-low',
      [apply, remove],
    ],
    [
      'data beyond any file',
      (image, at) => writeU64be(image, at.l2, 2 ** 55),
      'qcow2.offset-too-far',
      [apply, remove],
    ],
    [
      'data that is counted too low',
      (_image, at) => at.setRefcount(at.data, 0),
      'qcow2.refcount-too-low',
      [apply, remove],
    ],
    [
      'an L2 table that is not counted',
      (_image, at) => at.setRefcount(at.l2, 0),
      'qcow2.refcount-too-low',
      [apply, remove],
    ],
    [
      'a disk that is too large',
      (image, at) => writeU64be(image, at.table + 48, 2 ** 50),
      'qcow2.snapshot-size',
      [apply],
    ],
  ])('%s', (_, damage, detail, actions) => {
    const image = imageWithSnapshots();
    damage(image, new Layout(image));
    for (const action of actions) {
      const files = filesOf(image.slice());
      const active = readAll(openWritable(files, { writable: false }));
      expect(expectRefused(files, action)).toBe(detail);
      const disk = openWritable(files);
      disk.writeSync(contentOf(9, 5000), 3000);
      disk.closeSync();
      active.set(contentOf(9, 5000), 3000);
      expect(firstDifference(readAll(openWritable(files)), active)).toBe(-1);
    }
  });

  it('one whose snapshot table is cut off', () => {
    const image = imageWithSnapshots();
    const { table } = new Layout(image);
    const cut = new Uint8Array(image.length + 80);
    cut.set(image);
    cut.set(image.subarray(table, table + 80), image.length);
    writeU64be(cut, 64, image.length);
    for (const action of [create, apply]) {
      expect(expectRefused(filesOf(cut.slice()), action)).toBe('qcow2.snapshot-table-cut');
    }
  });

  it('one whose snapshot has an L1 table that covers the whole file', () => {
    const image = imageWithSnapshots();
    writeU32be(image, new Layout(image).second + 8, 0xffff_ffff);
    for (const action of [create, apply, remove]) {
      expect(expectRefused(filesOf(image.slice()), action)).toBe('qcow2.overlap');
    }
  });

  it('one whose snapshot has an L2 table that does not begin at a cluster', () => {
    const image = imageWithSnapshots({ cluster_size: 2 * CLUSTER });
    const at = new Layout(image);
    writeU64be(image, at.l1, at.l2 + CLUSTER);
    expect(expectRefused(filesOf(image), apply)).toBe('qcow2.l2-table-place');
    const other = imageWithSnapshots({ cluster_size: 2 * CLUSTER });
    const { l2, data } = new Layout(other);
    writeU64be(other, l2, data + CLUSTER);
    const marked = other.slice();
    marked[79] = 2;
    const files = filesOf(other);
    expect(errorOf(() => remove(snapshotsOf(openWritable(files)))).detail) //
      .toBe('qcow2.l2-entry-unaligned');
    // QEMU calls the image corrupt then, and so do we.
    expect(firstDifference(files.imageBytes, marked)).toBe(-1);
  });

  it('one whose active state uses what only the snapshot is counted for', () => {
    const files = newFiles();
    const disk = openWritable(files);
    snapshotsOf(disk).createSync('a');
    disk.closeSync();
    const image = files.imageBytes;
    const at = new Layout(image);
    at.setRefcount(at.data, 1);
    expect(expectRefused(filesOf(image), remove)).toBe('qcow2.refcount-too-low');
  });
});
