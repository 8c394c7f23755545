import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  MemoryStorage,
  noDecoders,
  openChain,
  runAsync,
  runSync,
  type Storage,
} from '@diskfile/core';
import { rawDriver } from '../src/index.ts';

function openWritable(storage: Storage): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [rawDriver],
      // Raw never asks for a decoder.
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'raw',
      snapshot: undefined,
      writable: true,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

/** Counts what reaches the host; may be one that cannot make holes. */
class CountedStorage extends MemoryStorage {
  punches = 0;
  writes = 0;
  flushes = 0;
  canPunch = true;

  override writeSync(src: Uint8Array, offset: number): void {
    this.writes += 1;
    super.writeSync(src, offset);
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    if (!this.canPunch) return false;
    this.punches += 1;
    return super.punchHoleSync(offset, lengthBytes);
  }

  override flushSync(): void {
    this.flushes += 1;
  }
}

describe('writing a raw disk', () => {
  it('changes the bytes of its file, and grows that to hold the last sector', () => {
    const storage = new MemoryStorage(new Uint8Array(1000).fill(1));
    const disk = openWritable(storage);
    expect(disk.readOnly).toBe(false);
    disk.writeSync(new Uint8Array(10).fill(2), 100);
    expect(storage.sizeBytes).toBe(1000);
    disk.writeSync(new Uint8Array(4).fill(3), 1020);
    expect(storage.sizeBytes).toBe(1024);
    const tail = new Uint8Array(26).fill(1, 0, 2).fill(3, 22);
    expect(Buffer.compare(storage.bytes.subarray(998), tail)).toBe(0);
    expect(() => disk.writeSync(new Uint8Array(1), 1024)).toThrowError(
      expect.objectContaining({ code: 'out-of-range' }),
    );
  });

  it.each([true, false])('equals plain bytes, holes being possible: %s', async (canPunch) => {
    const SIZE = 5000;
    const operation = fc.record({
      op: fc.constantFrom('write', 'zero', 'zero-keep', 'discard', 'flush'),
      at: fc.nat(SIZE),
      length: fc.nat(SIZE),
      fill: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation), async (operations) => {
        const storage = new CountedStorage(new Uint8Array(SIZE).fill(5));
        storage.canPunch = canPunch;
        const disk = openWritable(storage);
        const model = new Uint8Array(disk.sizeBytes).fill(5, 0, SIZE);
        for (const [index, { op, at, length: wanted, fill }] of operations.entries()) {
          const length = Math.min(wanted, disk.sizeBytes - at);
          const src = new Uint8Array(length).fill(fill);
          const isSync = index % 2 === 0;
          const mayUnmap = op === 'zero';
          if (op === 'write') {
            if (isSync) disk.writeSync(src, at);
            else await disk.write(src, at);
            model.set(src, at);
          } else if (op === 'flush') {
            if (isSync) disk.flushSync();
            else await disk.flush();
          } else if (op === 'discard') {
            if (isSync) disk.discardSync(at, length);
            else await disk.discard(at, length);
            if (canPunch) model.fill(0, at, at + length);
          } else {
            if (isSync) disk.writeZeroesSync(at, length, { mayUnmap });
            else await disk.writeZeroes(at, length, { mayUnmap });
            model.fill(0, at, at + length);
          }
          const all = new Uint8Array(disk.sizeBytes).fill(0xee);
          disk.readSync(all, 0);
          expect(Buffer.compare(all, model)).toBe(0);
        }
      }),
    );
  });

  it('makes holes only where space may be given back', () => {
    const storage = new CountedStorage(new Uint8Array(4096).fill(1));
    const disk = openWritable(storage);
    disk.writeZeroesSync(0, 1024, { mayUnmap: false });
    expect([storage.punches, storage.writes]).toEqual([0, 1]);
    disk.writeZeroesSync(1024, 1024);
    disk.discardSync(2048, 1024);
    expect([storage.punches, storage.writes]).toEqual([2, 1]);
    const all = new Uint8Array(4096).fill(0xee);
    disk.readSync(all, 0);
    expect(all.findIndex((byte) => byte !== 0)).toBe(3072);
  });

  it('is durable after a flush, and after closing', () => {
    const storage = new CountedStorage(new Uint8Array(512));
    const disk = openWritable(storage);
    disk.flushSync();
    expect(storage.flushes).toBe(1);
    disk.closeSync();
    expect(storage.flushes).toBe(2);
  });

  it.each([['text'], [undefined], [new Uint16Array(4)], [new DataView(new ArrayBuffer(8))]])(
    'takes arrays of bytes only, not %s',
    async (buffer) => {
      const disk = openWritable(new CountedStorage(new Uint8Array(512)));
      const bytes = buffer as unknown as Uint8Array;
      const refusal = { code: 'invalid-argument', detail: 'disk.buffer' };
      await expect(disk.write(bytes, 0)).rejects.toMatchObject(refusal);
      await expect(disk.read(bytes, 0)).rejects.toMatchObject(refusal);
      expect(() => disk.writeSync(bytes, 0)).toThrow(/takes a Uint8Array/);
      const batch = disk.submitBatch([{ op: 'write', guestOffset: 0, buffer: bytes }]);
      await expect(batch).rejects.toMatchObject(refusal);
    },
  );

  it('needs a storage that can be written', () => {
    const { sizeBytes, name } = new MemoryStorage(new Uint8Array(512));
    const readOnly = { sizeBytes, name, synchronous: true, closeSync: () => {} };
    expect(() => openWritable(readOnly as unknown as Storage)).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'raw.storage-read-only' }),
    );
  });
});

describe('creating a raw disk', () => {
  const create = async (
    storage: MemoryStorage,
    sizeBytes: number,
    options: Record<string, string> = {},
    backing?: { name: string; format: string | undefined },
  ): Promise<void> => {
    await runAsync(
      rawDriver.create!({
        storage,
        sizeBytes,
        options,
        backing,
        createNamed: () => {
          throw new Error('no further files');
        },
      }),
    );
  };

  it.each(['off', 'falloc', 'full'])('with preallocation=%s gives zeros', async (preallocation) => {
    for (const canAllocate of [true, false]) {
      const storage = new CountedStorage();
      if (!canAllocate) storage.allocate = async () => false;
      await create(storage, 3_000_512, { preallocation });
      expect(storage.sizeBytes).toBe(3_000_512);
      expect(storage.bytes.every((byte) => byte === 0)).toBe(true);
      const writes = preallocation === 'full' || (preallocation === 'falloc' && !canAllocate);
      // The first block takes space in any case.
      expect(storage.writes).toBe(writes ? 4 : 1);
    }
  });

  it('takes no other options, and no backing file', async () => {
    const storage = new MemoryStorage();
    const refusals = [
      create(storage, 512, { preallocation: 'metadata' }),
      create(storage, 512, { cluster_size: '65536' }),
      create(storage, 512, {}, { name: 'base', format: undefined }),
    ];
    for (const refusal of refusals) {
      await expect(refusal).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(storage.sizeBytes).toBe(0);
  });
});
