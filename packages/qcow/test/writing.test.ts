import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import type { DiskFile, MemoryStorage } from '@diskfile/core';
import { detailOf, DriverInMemory } from '@diskfile/testkit';
import { qcowDriver } from '../src/index.ts';
import { contentOf } from './support/image-writer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CLUSTER = 4 * KIB;
/** Of the first L2 table of an image without backing, and of the cluster behind it. */
const L2 = CLUSTER;
const DATA = 2 * CLUSTER;

const images = new DriverInMemory(qcowDriver, decoders(), encoders());

function written(): MemoryStorage {
  const storage = images.create(5 * MIB + 512);
  const disk = images.open(storage);
  disk.writeSync(new Uint8Array(2 * CLUSTER).fill(1), 0);
  disk.closeSync();
  return storage;
}

function patch(storage: MemoryStorage, at: number, high: number, low: number): MemoryStorage {
  const field = new Uint8Array(8);
  writeU32be(field, 0, high);
  writeU32be(field, 4, low);
  storage.writeSync(field, at);
  return storage;
}

function read(disk: DiskFile, guestOffset: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  disk.readSync(bytes, guestOffset);
  return bytes;
}

describe('writing qcow version 1', () => {
  it('links no cluster before a flush, and all of them by it', () => {
    const storage = images.create(5 * MIB);
    const disk = images.open(storage);
    disk.writeSync(Uint8Array.of(7), 3 * MIB);
    expect(images.byteAt(storage, 3 * MIB)).toBe(0);
    disk.flushSync();
    expect(images.byteAt(storage, 3 * MIB)).toBe(7);
  });

  it('packs compressed clusters, and replaces them as a whole', () => {
    const storage = images.create(5 * MIB);
    const disk = images.open(storage);
    const content = contentOf(3, 20 * CLUSTER);
    const { compression } = disk.capabilities;
    compression!.writeSync(content, MIB);
    // Noise gets no smaller.
    const noise = Uint8Array.from(
      { length: CLUSTER },
      (_, at) => (Math.imul(at + 9, 0x9e3779b1) >>> 13) % 256,
    );
    compression!.writeSync(noise, 2 * MIB);
    expect(Buffer.compare(read(disk, MIB, content.length), content)).toBe(0);
    disk.writeSync(Uint8Array.of(0xaa), MIB + CLUSTER + 5);
    disk.writeZeroesSync(MIB + 3 * CLUSTER, CLUSTER);
    disk.discardSync(MIB + 5 * CLUSTER, CLUSTER);
    compression!.writeSync(content.subarray(0, CLUSTER), MIB + 4 * CLUSTER);
    disk.closeSync();
    content[CLUSTER + 5] = 0xaa;
    content.fill(0, 3 * CLUSTER, 4 * CLUSTER);
    content.set(content.subarray(0, CLUSTER), 4 * CLUSTER);
    const again = images.open(storage);
    expect(Buffer.compare(read(again, MIB, content.length), content)).toBe(0);
    expect(Buffer.compare(read(again, 2 * MIB, CLUSTER), noise)).toBe(0);
    expect(storage.sizeBytes).toBeLessThan(25 * CLUSTER);
    again.closeSync();
  });

  it.each([
    ['a cluster behind the end', L2 + 16, 0, 80 * CLUSTER],
    ['a cluster that is not aligned', L2 + 16, 0, DATA + 512],
    ['a cluster in the header', L2 + 16, 0, 0x200],
    ['a cluster beyond 2^53', L2 + 16, 0x40_0000, 0],
    ['one cluster twice', L2 + 16, 0, DATA],
    ['its table as a cluster', L2 + 16, 0, L2],
    ['a table behind the end', 56, 0, 64 * CLUSTER],
    ['one table twice', 56, 0, L2],
    ['a cluster as a table', 56, 0, DATA],
    ['compressed bytes in a cluster', L2 + 16, 0x8008_0000, DATA + 100],
    ['compressed bytes behind the end', L2 + 16, 0x8008_0000, 90 * CLUSTER],
    ['compressed bytes in the L1 table', L2 + 16, 0x8008_0000, 50],
  ])('is refused to an image that names %s', (_, at, high, low) => {
    const storage = patch(written(), at, high, low);
    const before = storage.bytes.slice();
    expect(detailOf(() => images.open(storage))).toBe('qcow.damaged');
    expect(Buffer.compare(storage.bytes, before)).toBe(0);
    expect(images.byteAt(storage, 0)).toBe(1);
  });

  it('is refused to encrypted images without their passphrase', () => {
    const storage = written();
    const field = new Uint8Array(8);
    writeU64be(field, 0, 2 ** 32 * 0x0c09_0000);
    storage.writeSync(field, 32);
    storage.writeSync(Uint8Array.of(0, 0, 0, 1), 36);
    expect(detailOf(() => images.open(storage))).toBe('qcow.passphrase-missing');
  });

  it('names an image below, another one, and none', () => {
    const storage = images.create(MIB, {}, { name: 'first', format: 'raw' });
    const disk = images.open(storage);
    const { backing } = disk.capabilities;
    const named = () => images.open(storage, { writable: false }).info()[0]!.backing?.name;
    expect(named()).toBe('first');
    disk.writeSync(Uint8Array.of(5), 700);
    backing!.setReferenceSync({ name: 'x'.repeat(1023), format: 'qcow' });
    expect(named()).toBe('x'.repeat(1023));
    expect(() => backing!.setReferenceSync({ name: 'x'.repeat(1024), format: 'raw' })).toThrow();
    backing!.setReferenceSync(undefined);
    expect(named()).toBeUndefined();
    expect(images.byteAt(storage, 700)).toBe(5);
    disk.closeSync();
  });

  it('gives up content, and uses the space again', () => {
    const storage = written();
    const disk = images.open(storage);
    disk.capabilities.backing!.dropContentSync();
    expect(images.byteAt(storage, 0)).toBe(0);
    disk.writeSync(Uint8Array.of(9), 5 * CLUSTER);
    disk.closeSync();
    expect([images.byteAt(storage, 0), images.byteAt(storage, 5 * CLUSTER)]).toEqual([0, 9]);
    expect(storage.sizeBytes).toBe(3 * CLUSTER);
    const again = images.open(storage);
    again.capabilities.backing!.dropContentSync();
    again.closeSync();
    expect(storage.sizeBytes).toBe(48 + 3 * 8);
  });

  it.each([
    ['an option', { cluster_size: 1 }, MIB, 'qcow.option'],
    ['no size', {}, 0, 'qcow.too-small'],
    ['a size beyond all', {}, 2 ** 50, 'qcow.too-large'],
  ])('is not made with %s', (_, options, sizeBytes, detail) => {
    expect(detailOf(() => images.create(sizeBytes, options))).toBe(detail);
  });
});
