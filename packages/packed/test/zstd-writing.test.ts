import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { makeEncoders } from '@diskfile/codec';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type FormatOptions,
  MemoryStorage,
  openChain,
  runSync,
} from '@diskfile/core';
import { rawDriver } from '@diskfile/raw';
import { refusalOf } from '@diskfile/testkit';
import { zstdDriver } from '../src/index.ts';
import { open, portable } from './support/open-packed.ts';

const FRAME = 4096;
const encoders = makeEncoders();

function create(sizeBytes: number, options: FormatOptions = { frame_size: FRAME }): MemoryStorage {
  const storage = new MemoryStorage(new Uint8Array(0), 'disk.zst');
  const createNamed = () => expect.fail('another file is created');
  runSync(zstdDriver.create!({ storage, sizeBytes, options, backing: undefined, createNamed }));
  return storage;
}

function openWritable(storage: MemoryStorage): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [zstdDriver, rawDriver],
      decoders: portable,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'zstd',
      snapshot: undefined,
      writable: true,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, encoders, opening: undefined });
}

function noise(lengthBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let at = 0; at < lengthBytes; at++) bytes[at] = Math.imul(at + seed, 0x9e37_79b1) >>> 24;
  return bytes;
}

function contentOf(storage: MemoryStorage): Buffer {
  const disk = open(storage.bytes.slice());
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

describe('a new zstd disk', () => {
  it.each([0, 512, FRAME, 5 * FRAME, 5 * FRAME + 512, 700 * FRAME])(
    'of %d bytes is zeros',
    (sizeBytes) => {
      const storage = create(sizeBytes);
      expect(contentOf(storage).equals(Buffer.alloc(sizeBytes))).toBe(true);
      const { format, details } = open(storage.bytes.slice()).info()[0]!;
      expect(format).toBe('zstd');
      const frames = Math.ceil(sizeBytes / FRAME);
      expect(details).toMatchObject({ packing: 'zstd', seekable: true, frames });
    },
  );

  it('is filled in order, reads what it holds, and is whole after each flush', async () => {
    const sizeBytes = 40 * FRAME + 512;
    const storage = create(sizeBytes);
    const disk = openWritable(storage);
    const expected = Buffer.alloc(sizeBytes);
    const put = async (guestOffset: number, bytes: Buffer) => {
      bytes.copy(expected, guestOffset);
      await disk.write(bytes, guestOffset);
      const read = Buffer.alloc(sizeBytes);
      await disk.read(read, 0);
      expect(read.equals(expected)).toBe(true);
    };
    await put(2 * FRAME, noise(3 * FRAME, 1));
    await put(5 * FRAME, Buffer.alloc(FRAME, 'text '));
    await disk.flush();
    expect(contentOf(storage).equals(expected)).toBe(true);
    await put(20 * FRAME, noise(FRAME, 2));
    disk.writeZeroesSync(22 * FRAME, FRAME);
    await put(40 * FRAME, noise(512, 3));
    await disk.close();
    expect(contentOf(storage).equals(expected)).toBe(true);
    const { length } = storage.bytes;
    expect(storage.bytes.subarray(length - 4)).toEqual(Uint8Array.of(0xb1, 0xea, 0x92, 0x8f));
  });

  it('ends each frame in a checksum', () => {
    const storage = create(3 * FRAME);
    const disk = openWritable(storage);
    disk.writeSync(Buffer.alloc(FRAME, 'text '), 0);
    disk.closeSync();
    const damaged = storage.bytes.slice();
    const end = Buffer.from(damaged).indexOf('28b52ffd', 4, 'hex');
    damaged[end - 1]! ^= 1;
    expect(refusalOf(() => open(damaged).readSync(new Uint8Array(1), 0))).toMatch(/^corrupt codec/);
  });

  it('refuses what is behind the last frame, parts of frames, and a second filling', () => {
    const storage = create(5 * FRAME);
    const disk = openWritable(storage);
    disk.writeSync(noise(FRAME, 1), 2 * FRAME);
    const write = (at: number, length: number) =>
      refusalOf(() => disk.writeSync(noise(length, 1), at));
    expect(write(2 * FRAME, FRAME)).toBe('unsupported zstd.out-of-order');
    expect(write(0, FRAME)).toBe('unsupported zstd.out-of-order');
    expect(write(3 * FRAME, 512)).toBe('invalid-argument disk.compressed-range');
    expect(refusalOf(() => disk.writeZeroesSync(0, 4 * FRAME))).toMatch(/^unsupported zstd/);
    disk.closeSync();
    expect(refusalOf(() => openWritable(storage))).toBe('unsupported zstd.not-new');
    const patched = new MemoryStorage(create(5 * FRAME).bytes.slice());
    patched.bytes[12]! ^= 1;
    expect(refusalOf(() => openWritable(patched))).toBe('unsupported zstd.not-new');
  });

  it.each<[string, FormatOptions, string]>([
    ['an odd frame size', { frame_size: 5000 }, 'invalid-argument zstd.frame-size'],
    ['tiny frames', { frame_size: 512 }, 'invalid-argument zstd.frame-size'],
    ['huge frames', { frame_size: '4M' }, 'invalid-argument zstd.frame-size'],
    ['another option', { level: 4 }, 'invalid-argument zstd.option'],
  ])('is not made with %s', (_, options, expected) => {
    expect(refusalOf(() => create(FRAME, options))).toBe(expected);
  });

  it('is not made larger than its readers take, or over another image', () => {
    const sizeBytes = 2 ** 42;
    const detail = refusalOf(() => create(sizeBytes * 2, {}));
    expect(detail).toBe('invalid-argument zstd.size');
    const backing = { name: 'base', format: 'raw' };
    const storage = new MemoryStorage();
    const createNamed = () => expect.fail('another file is created');
    const context = { storage, sizeBytes, options: {}, backing, createNamed };
    expect(() => runSync(zstdDriver.create!(context))).toThrowError(DiskError);
  });
});
