import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MemoryStorage, runAsync, runSync } from '@diskfile/core';
import { InPlaceStorage } from '../src/in-place-storage.ts';
import { equal } from './support/model.ts';
import { pattern } from './support/temp.ts';
import { changesOf, expectChanges } from './support/writable-model.ts';

const DEVICE_BYTES = 100_000;

function inPlace(content: Uint8Array, isDevice: boolean, keepsContent = false) {
  const host = new MemoryStorage(content.slice());
  const options = { isDevice, keepsContent, hostPath: undefined };
  return { host, storage: new InPlaceStorage(host, options) };
}

describe('what is written in place', () => {
  it.each([true, false])('reads as a new file would (device: %s)', async (isDevice) => {
    await fc.assert(
      fc.asyncProperty(changesOf(75_000), async (changes) => {
        const { host, storage } = inPlace(pattern(DEVICE_BYTES), isDevice);
        const model = await expectChanges(storage, new Uint8Array(0), changes);
        if (isDevice) expect(host.sizeBytes).toBe(DEVICE_BYTES);
        runSync(storage.finish());
        if (model.length === 0) return;
        const held = new Uint8Array(model.length);
        host.readSync(held, 0);
        expect(equal(held, model)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps writes apart that overlap in time, and clears what is between them', async () => {
    const { host, storage } = inPlace(pattern(DEVICE_BYTES), true);
    const pieces = Array.from({ length: 20 }, (_, index) => pattern(1000 + index, index));
    const starts = pieces.map((_, index) => ((index * 7) % 20) * 4500);
    await Promise.all(pieces.map((piece, index) => storage.write(piece, starts[index]!)));
    const model = new Uint8Array(storage.sizeBytes);
    for (const [index, piece] of pieces.entries()) model.set(piece, starts[index]);
    const held = new Uint8Array(model.length);
    host.readSync(held, 0);
    expect(equal(held, model)).toBe(true);
  });

  it('leaves all as it was until the first change', async () => {
    const { host, storage } = inPlace(pattern(5000), true);
    await storage.flush();
    await storage.close();
    storage.closeSync();
    expect(() => storage.writeSync(pattern(1), 5000)).toThrow(/device of 5000 bytes, and 5001/);
    await expect(storage.truncate(5001)).rejects.toMatchObject({
      code: 'no-space',
      detail: 'storage.device-too-small',
    });
    const held = new Uint8Array(5000);
    host.readSync(held, 0);
    expect(equal(held, pattern(5000))).toBe(true);
  });

  it('clears of a device only what is not written, where that goes from its beginning on', async () => {
    const { host, storage } = inPlace(pattern(50_000), true);
    const write = vi.spyOn(host, 'write');
    const punch = vi.spyOn(host, 'punchHole');
    await storage.truncate(40_000);
    for (let at = 0; at < 30_000; at += 10_000) await storage.write(pattern(10_000, 1), at);
    await runAsync(storage.finish());
    expect(write.mock.calls.map(([{ length }, at]) => [at, length])).toEqual([
      [0, 512],
      [0, 10_000],
      [10_000, 10_000],
      [20_000, 10_000],
      [30_000, 32_768 - 30_000],
      [36_864, 40_000 - 36_864],
    ]);
    expect(punch.mock.calls).toEqual([[32_768, 4096]]);
  });

  it('keeps what a device holds where that is asked for, but for its first sector', () => {
    const { host, storage } = inPlace(pattern(5000), true, true);
    storage.truncateSync(4000);
    runSync(storage.finish());
    const held = new Uint8Array(5000);
    host.readSync(held, 0);
    expect(equal(held, pattern(5000).fill(0, 0, 512))).toBe(true);
  });
});
