import { describe, expect, it } from 'vitest';
import { readU32le, writeU32le, writeU64le } from '@diskfile/bytes';
import type { DiskFile, MemoryStorage } from '@diskfile/core';
import { detailOf, DriverInMemory } from '@diskfile/testkit';
import { qedDriver } from '../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CLUSTER = 4 * KIB;
/** Header, L1 table of two clusters, the first data cluster, the first L2 table of two clusters. */
const AT = {
  features: 16,
  autoclear: 32,
  l1Offset: 40,
  size: 48,
  l1: 4096,
  data: 12_288,
  l2: 16_384,
};
const NEED_CHECK = 2;

type Options = Record<string, string | number>;

const images = new DriverInMemory(qedDriver);
const check = images.check.bind(images);
const byteAt = images.byteAt.bind(images);

function create(sizeBytes: number, options: Options = {}): MemoryStorage {
  return images.create(sizeBytes, { cluster_size: CLUSTER, table_size: 2, ...options });
}

function open(storage: MemoryStorage, writable = true): DiskFile {
  return images.open(storage, { writable });
}

/** One cluster of ones at the start of the disk. */
function written(sizeBytes = 12 * MIB): MemoryStorage {
  const storage = create(sizeBytes);
  const disk = open(storage);
  disk.writeSync(new Uint8Array(CLUSTER).fill(1), 0);
  disk.closeSync();
  return storage;
}

function patch(storage: MemoryStorage, at: number, value: number): MemoryStorage {
  const field = new Uint8Array(8);
  writeU64le(field, 0, value);
  storage.writeSync(field, at);
  return storage;
}

function features(storage: MemoryStorage): number {
  return readU32le(storage.bytes, AT.features);
}

describe('a QED image', () => {
  it('links no cluster before a flush, and all of them by it', () => {
    const storage = create(8 * MIB);
    const disk = open(storage);
    disk.writeSync(Uint8Array.of(7), 5 * MIB);
    expect(byteAt(storage, 5 * MIB)).toBe(0);
    disk.flushSync();
    expect(byteAt(storage, 5 * MIB)).toBe(7);
  });

  it('tells of parts without tables at once, however large they are', () => {
    const storage = create(64 * 2 ** 40, { cluster_size: 4 * MIB, table_size: 1 });
    const [status, ...more] = [...open(storage, false).blockStatusSync()];
    expect(more).toEqual([]);
    expect(status).toMatchObject({ lengthBytes: 64 * 2 ** 40, zero: true, allocated: false });
  });

  it('keeps zeros apart from what is not there', () => {
    const storage = create(8 * MIB);
    const disk = open(storage);
    disk.writeZeroesSync(MIB, 2 * CLUSTER + 100);
    disk.closeSync();
    const ranges = [...open(storage, false).blockStatusSync()].map((status) => [
      status.guestOffset,
      status.allocated,
    ]);
    expect(ranges).toEqual([
      [0, false],
      [MIB, true],
      [MIB + 2 * CLUSTER, false],
    ]);
  });

  it('is mended and marked clean when it was not closed, and is then written', () => {
    const storage = patch(written(), AT.features, NEED_CHECK);
    patch(storage, AT.l2 + 8, 50 * MIB);
    expect(open(storage, false).warnings.map(({ detail }) => detail)).toEqual(['qed.need-check']);
    expect(detailOf(() => byteAt(storage, CLUSTER))).toBe('qed.cluster-offset');
    const disk = open(storage);
    expect(features(storage)).toBe(0);
    disk.writeSync(Uint8Array.of(2), CLUSTER);
    disk.closeSync();
    expect([byteAt(storage, 0), byteAt(storage, CLUSTER)]).toEqual([1, 2]);
    expect(check(storage)).toMatchObject({ corruptions: 0, leaks: 0 });
  });

  it('loses its self-resetting features when it is opened for writing', () => {
    const storage = patch(written(), AT.autoclear, 2 ** 40 + 5);
    open(storage, false);
    expect(readU32le(storage.bytes, AT.autoclear)).toBe(5);
    open(storage).closeSync();
    expect(storage.bytes.subarray(AT.autoclear, AT.autoclear + 8)).toEqual(new Uint8Array(8));
  });

  it.each([
    ['a cluster behind the end', AT.l2 + 8, 50 * MIB],
    ['a cluster that is not aligned', AT.l2 + 8, AT.data + 512],
    ['a cluster in the header', AT.l2 + 8, 2],
    ['a cluster beyond 2^53', AT.l2 + 8, 2 ** 53 - CLUSTER],
    ['one cluster twice', AT.l2 + 8, AT.data],
    ['its own table as a cluster', AT.l2 + 8, AT.l2],
    ['the L1 table as a cluster', AT.l2 + 8, AT.l1],
    ['a table behind the end', AT.l1 + 8, 50 * MIB],
    ['a table that is not whole', AT.l1 + 8, AT.l2 + CLUSTER],
    ['a table twice', AT.l1 + 8, AT.l2],
    ['the L1 table as a table', AT.l1 + 8, AT.l1],
  ])('that names %s is not written, and the rest of it is read', (_, at, value) => {
    const storage = patch(written(), at, value);
    const before = storage.bytes.slice();
    expect(check(storage).corruptions).toBeGreaterThan(0);
    expect(detailOf(() => open(storage))).toBe('qed.damaged');
    expect(byteAt(storage, 0)).toBe(1);
    check(storage, 'leaks');
    expect(Buffer.compare(storage.bytes, before)).toBe(0);
  });

  it('is mended by clearing what names no place', () => {
    const storage = patch(written(), AT.l2 + 8, 50 * MIB);
    patch(storage, AT.l1 + 8, 1);
    expect(check(storage, 'all')).toMatchObject({ corruptions: 0, corruptionsFixed: 2 });
    expect(check(storage)).toMatchObject({ corruptions: 0, findings: [] });
    expect([byteAt(storage, 0), byteAt(storage, CLUSTER)]).toEqual([1, 0]);
  });

  it('has no use for what lies behind its last whole cluster', () => {
    const storage = written();
    storage.writeSync(new Uint8Array(100).fill(0xaa), storage.sizeBytes);
    const disk = open(storage);
    disk.writeSync(Uint8Array.of(3), MIB);
    disk.closeSync();
    const cluster = new Uint8Array(CLUSTER);
    open(storage, false).readSync(cluster, MIB);
    expect(cluster.findIndex((byte) => byte === 0xaa)).toBe(-1);
  });

  it.each([
    ['magic', 0, 0x4551, 'qed.magic'],
    ['cluster size', 4, 3000, 'qed.cluster-size'],
    ['table size', 8, 3, 'qed.table-size'],
    ['header size', 12, 0, 'qed.header-size'],
    ['feature', 16, 0x80, 'qed.features'],
  ])('is refused with a wrong %s', (_, at, value, detail) => {
    const storage = written();
    const field = new Uint8Array(4);
    writeU32le(field, 0, value);
    storage.writeSync(field, at);
    expect(detailOf(() => open(storage, false))).toBe(detail);
  });

  it.each([
    ['high feature', AT.features, 2 ** 32, 'qed.features'],
    ['L1 table in the header', AT.l1Offset, 0, 'qed.l1-table-offset'],
    ['L1 table behind the end', AT.l1Offset, 64 * MIB, 'qed.l1-table-offset'],
    ['L1 table that is not aligned', AT.l1Offset, 4097, 'qed.l1-table-offset'],
    ['size of half a sector', AT.size, 256, 'qed.image-size'],
    ['size that the tables cannot map', AT.size, 2 ** 40, 'qed.image-size'],
    ['name outside the header', 56, 2 ** 32 * 16 + 4090, 'qed.backing-filename-offset'],
    ['name that is too long', 56, 2 ** 32 * 1024 + 64, 'qed.backing-filename-offset'],
  ])('is refused with a %s', (_, at, value, detail) => {
    const storage = patch(written(), at, value);
    if (at === 56) patch(storage, AT.features, 1);
    expect(detailOf(() => open(storage, false))).toBe(detail);
  });

  it('needs no more memory for its tables than limits allow', () => {
    // No disk is made with such tables: they would map more than 2^64 bytes.
    const storage = create(MIB, { cluster_size: 4096 });
    const header = new DataView(storage.bytes.buffer, storage.bytes.byteOffset);
    header.setUint32(4, 64 * MIB, true);
    header.setUint32(8, 16, true);
    expect(detailOf(() => open(storage, false))).toBe('qed.table-size');
  });

  it.each([
    ['an unknown option', { toString: 1 }, MIB, 'qed.option'],
    ['clusters that are too small', { cluster_size: '2k' }, MIB, 'qed.cluster-size'],
    ['clusters of odd sizes', { cluster_size: 5000 }, MIB, 'qed.cluster-size'],
    ['tables of no size', { table_size: 0 }, MIB, 'qed.table-size'],
    ['more than its tables map', {}, 2 ** 40, 'qed.image-size'],
  ])('is not made with %s', (_, options: Options, sizeBytes, detail) => {
    expect(detailOf(() => create(sizeBytes, options))).toBe(detail);
  });

  it('gives up its content, and uses the space again', () => {
    const storage = written();
    const sizeBytes = storage.sizeBytes;
    const disk = open(storage);
    disk.writeSync(new Uint8Array(MIB).fill(5), 2 * MIB);
    disk.flushSync();
    disk.capabilities.backing!.dropContentSync();
    disk.writeSync(Uint8Array.of(9), 5 * CLUSTER);
    disk.closeSync();
    expect(storage.sizeBytes).toBe(sizeBytes);
    expect([0, 2 * MIB, 5 * CLUSTER].map((at) => byteAt(storage, at))).toEqual([0, 0, 9]);
    expect(check(storage)).toMatchObject({ corruptions: 0, leaks: 0, allocatedClusters: 1 });
    const again = open(storage);
    again.capabilities.backing!.dropContentSync();
    again.writeZeroesSync(0, CLUSTER);
    again.flushSync();
    expect(check(storage)).toMatchObject({ corruptions: 0, leaks: 0, allocatedClusters: 0 });
    again.capabilities.backing!.dropContentSync();
    again.closeSync();
    expect(storage.sizeBytes).toBe(3 * CLUSTER);
  });

  it('shows nothing of what lay behind its end when it grows', () => {
    const storage = written(12 * MIB);
    const disk = open(storage);
    disk.writeSync(new Uint8Array(4 * CLUSTER).fill(6), 4 * CLUSTER);
    disk.closeSync();
    patch(storage, AT.size, 5 * CLUSTER + 512);
    const small = open(storage);
    small.capabilities.resizing!.resizeSync(12 * MIB);
    small.closeSync();
    const content = new Uint8Array(9 * CLUSTER);
    open(storage, false).readSync(content, 0);
    expect(content.lastIndexOf(6)).toBe(5 * CLUSTER + 511);
    const most = 1024 * 1024 * CLUSTER;
    expect(detailOf(() => open(storage).capabilities.resizing!.resizeSync(most + 512))).toBe(
      'qed.disk-too-large',
    );
  });

  it.each([[10], [448], [449], [1023]])('names an image below in %d bytes', (length) => {
    const storage = create(MIB);
    const disk = open(storage);
    const backing = disk.capabilities.backing!;
    for (const letter of ['a', 'b', 'c']) {
      const name = letter.repeat(length);
      backing.setReferenceSync({ name, format: 'raw' });
      expect(open(storage, false).info()[0]!.backing).toEqual({ name, format: 'raw' });
    }
    expect(() => backing.setReferenceSync({ name: 'x'.repeat(1024), format: 'raw' })).toThrow();
    backing.setReferenceSync(undefined);
    expect(open(storage, false).info()[0]!.backing).toBeUndefined();
    disk.closeSync();
    expect(features(storage)).toBe(0);
  });
});
