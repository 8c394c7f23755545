import { describe, expect, it } from 'vitest';
import { readU32le, writeU32le } from '@diskfile/bytes';
import type { MemoryStorage } from '@diskfile/core';
import { detailOf, DriverInMemory } from '@diskfile/testkit';
import { parallelsDriver } from '../src/index.ts';

const KIB = 1024;
const CLUSTER = 4 * KIB;
const AT = { entries: 32, sectors: 36, inUse: 44, flags: 52, extension: 56, table: 64 };
const IN_USE = 0x746f_6e59;

const images = new DriverInMemory(parallelsDriver);

function create(sizeBytes = 13 * CLUSTER + 512): MemoryStorage {
  return images.create(sizeBytes, { cluster_size: CLUSTER });
}

/** A cluster of ones, and one of twos, in this order in the file. */
function written(): MemoryStorage {
  const storage = create();
  const disk = images.open(storage);
  disk.writeSync(new Uint8Array(CLUSTER).fill(1), 5 * CLUSTER);
  disk.writeSync(new Uint8Array(CLUSTER).fill(2), 2 * CLUSTER);
  disk.closeSync();
  return storage;
}

function patch(storage: MemoryStorage, at: number, value: number): MemoryStorage {
  const field = new Uint8Array(4);
  writeU32le(field, 0, value);
  storage.writeSync(field, at);
  return storage;
}

function inUse(storage: MemoryStorage): number {
  return readU32le(storage.bytes, AT.inUse);
}

describe('a Parallels image', () => {
  it('links no cluster before a flush, and all of them by it', () => {
    const storage = create();
    const disk = images.open(storage);
    disk.writeSync(Uint8Array.of(7), 3 * CLUSTER);
    expect(images.byteAt(storage, 3 * CLUSTER)).toBe(0);
    disk.flushSync();
    expect(images.byteAt(storage, 3 * CLUSTER)).toBe(7);
    expect(storage.sizeBytes).toBe(2 * CLUSTER);
  });

  it('is marked while it can be written, and opened by nobody else then', () => {
    const storage = create();
    const disk = images.open(storage);
    expect(inUse(storage)).toBe(IN_USE);
    expect(detailOf(() => images.open(storage))).toBe('parallels.not-closed');
    const reader = images.open(storage, { writable: false });
    expect(reader.warnings.map(({ detail }) => detail)).toEqual(['parallels.in-use']);
    expect(reader.info()[0]!.details).toMatchObject({ inUse: true });
    disk.closeSync();
    expect(inUse(storage)).toBe(0);
  });

  it('is left as it was when nothing was written', () => {
    const storage = patch(written(), AT.inUse, 0x312e_3276);
    storage.writeSync(new Uint8Array(100), storage.sizeBytes);
    const before = storage.bytes.slice();
    images.open(storage).closeSync();
    expect(Buffer.compare(storage.bytes, before)).toBe(0);
  });

  it('has no use for what lies behind its last cluster', () => {
    const storage = written();
    storage.writeSync(new Uint8Array(3 * CLUSTER).fill(0xaa), storage.sizeBytes);
    const disk = images.open(storage);
    disk.writeSync(Uint8Array.of(3), 9 * CLUSTER);
    disk.closeSync();
    const cluster = new Uint8Array(CLUSTER);
    images.open(storage, { writable: false }).readSync(cluster, 9 * CLUSTER);
    expect(cluster.findIndex((byte) => byte === 0xaa)).toBe(-1);
    expect(images.check(storage)).toMatchObject({ corruptions: 0, leaks: 0, allocatedClusters: 3 });
  });

  it('with an extension gives up nothing of its file', () => {
    const storage = patch(written(), AT.extension, 24);
    storage.writeSync(new Uint8Array(2 * CLUSTER).fill(0xee), 3 * CLUSTER);
    const disk = images.open(storage);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['parallels.extension-dropped']);
    disk.writeSync(Uint8Array.of(3), 0);
    disk.closeSync();
    expect(storage.bytes.subarray(3 * CLUSTER, 5 * CLUSTER).every((byte) => byte === 0xee)).toBe(
      true,
    );
    expect(images.byteAt(storage, 0)).toBe(3);
    images.check(storage, 'all');
    expect(storage.sizeBytes).toBe(6 * CLUSTER);
  });

  it('with an extension that has to be kept up to date is only read', () => {
    const extended = (flags: number) => {
      const storage = patch(written(), AT.extension, 24);
      const bytes = Buffer.alloc(CLUSTER);
      bytes.writeBigUInt64LE(0xab23_4cef_23dc_ea87n);
      // A feature of 20 bytes, one more, and the end.
      bytes.writeBigUInt64LE(0x2038_5fae_252c_b34an, 24);
      bytes.writeUInt32LE(20, 40);
      bytes.writeBigUInt64LE(0x1234_5678n, 72);
      bytes.writeUInt32LE(flags, 80);
      storage.writeSync(bytes, 3 * CLUSTER);
      return storage;
    };
    expect(detailOf(() => images.open(extended(1)))).toBe('parallels.extension-necessary');
    expect(images.byteAt(extended(1), 2 * CLUSTER)).toBe(2);
    expect(detailOf(() => images.open(extended(2)))).toBe('nothing was refused');
  });

  it('whose table names a place in the header or none is not written, and read elsewhere', () => {
    for (const value of [100, 3]) {
      const storage = patch(written(), AT.table, value);
      expect(detailOf(() => images.open(storage))).toBe('parallels.damaged');
      expect(detailOf(() => images.byteAt(storage, 0))).toBe('parallels.cluster-offset');
      expect(images.byteAt(storage, 2 * CLUSTER)).toBe(2);
    }
    const older = patch(written(), AT.table, 1);
    older.writeSync(new TextEncoder().encode('WithoutFreeSpace'), 0);
    expect(detailOf(() => images.byteAt(older, 0))).toBe('parallels.cluster-offset');
    expect(detailOf(() => images.open(older))).toBe('parallels.damaged');
  });

  it('is repaired without its leaks, or of its leaks alone', () => {
    const damaged = () => {
      const storage = patch(patch(written(), AT.table, 99), AT.inUse, IN_USE);
      storage.writeSync(new Uint8Array(9 * CLUSTER), storage.sizeBytes);
      return storage;
    };
    const storage = damaged();
    expect(images.check(storage, 'leaks')).toMatchObject({ corruptions: 1, corruptionsFixed: 1 });
    expect(images.check(storage, 'all')).toMatchObject({ corruptions: 0, leaks: 0 });
    const { corruptionsFixed, findings } = images.check(damaged(), 'all');
    expect(corruptionsFixed).toBe(2);
    expect(findings.map(({ detail, repaired }) => [detail, repaired])).toEqual([
      ['parallels.check.not-closed', true],
      ['parallels.check.outside', true],
      ['parallels.check.leaked-end', true],
    ]);
  });

  it('that says that nothing in it counts is read, with a warning', () => {
    const disk = images.open(patch(written(), AT.flags, 1), { writable: false });
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['parallels.empty']);
  });

  it.each([
    ['version', 16, 3, 'parallels.magic'],
    ['cluster size', 28, 0, 'parallels.tracks'],
    ['length of the table', AT.entries, 0x1000_0000, 'parallels.nb-bat-entries'],
    ['size of the disk', AT.sectors, 1000, 'parallels.nb-sectors-low'],
    ['size of the disk beyond 2^53', AT.sectors + 4, 0x7fff_ffff, 'bytes.integer-above-2^53'],
  ])('is refused with a wrong %s', (_, at, value, detail) => {
    const storage = patch(written(), at, value);
    expect(detailOf(() => images.open(storage, { writable: false }))).toBe(detail);
  });

  it('of the older kind has a size of 32 bits', () => {
    const storage = patch(written(), AT.sectors + 4, 0xffff_ffff);
    storage.writeSync(new TextEncoder().encode('WithoutFreeSpace'), 0);
    expect(images.open(storage, { writable: false }).sizeBytes).toBe(13 * CLUSTER + 512);
  });

  it.each([
    ['an unknown option', { subformat: 'x' }, CLUSTER, 'parallels.option'],
    ['a cluster size that is none', { cluster_size: 'x' }, CLUSTER, 'parallels.cluster-size'],
    ['huge clusters', { cluster_size: '2G' }, CLUSTER, 'parallels.cluster-size'],
    ['clusters of no size', { cluster_size: 0 }, CLUSTER, 'parallels.too-large'],
    ['too many clusters', { cluster_size: 512 }, 2 ** 42, 'parallels.too-large'],
  ])('is not made with %s', (_, options, sizeBytes, detail) => {
    expect(detailOf(() => images.create(sizeBytes, options))).toBe(detail);
  });

  it('is not made over another', () => {
    const backing = { name: 'base', format: 'raw' };
    expect(detailOf(() => images.create(CLUSTER, {}, backing))).toBe('parallels.no-backing');
  });
});
