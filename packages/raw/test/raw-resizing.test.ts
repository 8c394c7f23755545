import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  MemoryStorage,
  noDecoders,
  openChain,
  type Preallocation,
  runSync,
  type Storage,
} from '@diskfile/core';
import { rawDriver } from '../src/index.ts';

function openWritable(storage: Storage, writable = true): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [rawDriver],
      // Raw never asks for a decoder.
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'raw',
      snapshot: undefined,
      writable,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

/** Counts what is reserved and written; can run out of space, or be unable to reserve any. */
class CountedStorage extends MemoryStorage {
  reserved = 0;
  written = 0;
  flushes = 0;
  capacity = Infinity;
  canReserve = true;

  override writeSync(src: Uint8Array, offset: number): void {
    if (offset + src.length > this.capacity) throw new DiskError('no-space', 'test.full', 'full');
    this.written += src.length;
    super.writeSync(src, offset);
  }

  override allocateSync(offset: number, lengthBytes: number): boolean {
    if (!this.canReserve) return false;
    if (offset + lengthBytes > this.capacity) throw new DiskError('no-space', 'test.full', 'full');
    this.reserved += lengthBytes;
    return super.allocateSync(offset, lengthBytes);
  }

  override flushSync(): void {
    this.flushes += 1;
  }
}

/** A block device: its size is what it is. */
class Device extends MemoryStorage {
  override truncateSync(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new DiskError('unsupported', 'storage.device-size', 'a device');
  }
}

function all(disk: DiskFile): Uint8Array {
  const bytes = new Uint8Array(disk.sizeBytes).fill(0xee);
  disk.readSync(bytes, 0);
  return bytes;
}

describe('resizing a raw disk', () => {
  it('changes the length of its file, seen at once through every handle', async () => {
    const storage = new CountedStorage(new Uint8Array(1000).fill(1));
    const disk = openWritable(storage);
    const clone = disk.tryClone();
    expect(clone.sizeBytes).toBe(1024);
    disk.capabilities.resizing!.resizeSync(4000);
    expect([disk.sizeBytes, clone.sizeBytes, storage.sizeBytes]).toEqual([4096, 4096, 4000]);
    expect(storage.flushes).toBe(1);
    expect(all(clone)).toEqual(new Uint8Array(4096).fill(1, 0, 1000));
    clone.writeSync(new Uint8Array(4096).fill(2), 0);
    await clone.capabilities.resizing!.resize(1024, { shrink: true });
    expect([disk.sizeBytes, storage.sizeBytes]).toEqual([1024, 1024]);
    await disk.capabilities.resizing!.resize(2048);
    expect(all(disk)).toEqual(new Uint8Array(2048).fill(2, 0, 1024));
    expect([...disk.blockStatusSync()].at(-1)).toMatchObject({ guestOffset: 0, lengthBytes: 2048 });
  });

  it('leaves a file alone whose disk has that size already', () => {
    const storage = new CountedStorage(new Uint8Array(1000).fill(1));
    const disk = openWritable(storage);
    disk.capabilities.resizing!.resizeSync(1024);
    disk.capabilities.resizing!.resizeSync(1000, { shrink: true });
    expect([disk.sizeBytes, storage.sizeBytes]).toEqual([1024, 1000]);
  });

  it('refuses to get smaller by the way, and what makes no size', () => {
    const disk = openWritable(new MemoryStorage(new Uint8Array(4096)));
    const { resizing } = disk.capabilities;
    const detail = (name: string) => expect.objectContaining({ detail: name }) as Error;
    expect(() => resizing!.resizeSync(2048)).toThrowError(detail('disk.shrink-refused'));
    for (const size of [-1, 0.5, NaN, Infinity, Number.MAX_SAFE_INTEGER, 2 ** 63]) {
      expect(() => resizing!.resizeSync(size)).toThrowError(detail('disk.size'));
    }
    const shrink = { shrink: true, preallocation: 'full' } as const;
    expect(() => resizing!.resizeSync(512, shrink)).toThrowError(detail('disk.preallocation'));
    const mode = { preallocation: 'metadata' } as const;
    expect(() => resizing!.resizeSync(8192, mode)).toThrowError(detail('disk.preallocation'));
    expect(disk.sizeBytes).toBe(4096);
  });

  it.each<[Preallocation, boolean, number, number]>([
    ['off', true, 0, 0],
    ['falloc', true, 3096, 0],
    ['falloc', false, 0, 3096],
    ['full', true, 0, 3096],
  ])('sets space aside: %s, host can reserve: %s', (preallocation, can, reserved, written) => {
    const storage = new CountedStorage(new Uint8Array(1000).fill(1));
    storage.canReserve = can;
    const disk = openWritable(storage);
    disk.capabilities.resizing!.resizeSync(4096, { preallocation });
    expect([storage.reserved, storage.written]).toEqual([reserved, written]);
    expect(all(disk)).toEqual(new Uint8Array(4096).fill(1, 0, 1000));
  });

  it.each<Preallocation>(['falloc', 'full'])('stays as it was when space runs out: %s', (mode) => {
    const storage = new CountedStorage(new Uint8Array(1000).fill(1));
    storage.capacity = 3_000_000;
    const disk = openWritable(storage);
    const grow = () => disk.capabilities.resizing!.resizeSync(5_000_000, { preallocation: mode });
    expect(grow).toThrowError(expect.objectContaining({ code: 'no-space' }));
    expect([disk.sizeBytes, storage.sizeBytes]).toEqual([1024, 1000]);
    storage.capacity = Infinity;
    grow();
    expect(disk.sizeBytes).toBe(5_000_192);
  });

  it('cannot be done to a device, or to a disk that is only read', () => {
    const disk = openWritable(new Device(new Uint8Array(4096)));
    for (const size of [8192, 2048]) {
      expect(() => disk.capabilities.resizing!.resizeSync(size, { shrink: true })).toThrowError(
        expect.objectContaining({ code: 'unsupported', detail: 'storage.device-size' }),
      );
    }
    expect(disk.sizeBytes).toBe(4096);
    expect(openWritable(new MemoryStorage(), false).capabilities.resizing).toBeUndefined();
  });

  it('is noticed by a write that waited meanwhile', async () => {
    const storage = new MemoryStorage(new Uint8Array(8192).fill(1));
    const disk = openWritable(storage);
    const shrinking = disk.capabilities.resizing!.resize(4096, { shrink: true });
    const late = [
      disk.write(new Uint8Array(512).fill(2), 6000),
      disk.writeZeroes(4000, 512),
      disk.discard(8000, 192),
      disk.write(new Uint8Array(96).fill(2), 4000),
    ];
    await shrinking;
    const outcomes = await Promise.allSettled(late);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    for (const outcome of outcomes.slice(0, 3)) {
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'out-of-range' });
    }
    expect(storage.bytes).toEqual(new Uint8Array(4096).fill(1).fill(2, 4000));
  });
});
