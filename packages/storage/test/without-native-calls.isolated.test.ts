/** What storages do where the optional package cannot be had. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type DiskWarning, runSync } from '@diskfile/core';
import { createFileStorage, openFileStorage } from '../src/index.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';

const host = vi.hoisted(() => ({ hasNativeCalls: true }));

vi.mock('../src/native-calls.ts', async (original) => {
  const { nativeCalls } = await original<typeof import('../src/native-calls.ts')>();
  return { nativeCalls: () => (host.hasNativeCalls ? nativeCalls() : undefined) };
});

const directory = tempDirectory();
beforeEach(() => {
  host.hasNativeCalls = false;
});

describe('without native calls', () => {
  it('space is neither given back nor reserved, and all counts as data', async () => {
    const path = writeTemp(directory, 'plain.img', pattern(8192));
    const storage = runSync(openFileStorage(path, { writable: true }));
    expect(storage.punchHoleSync(0, 4096)).toBe(false);
    expect(await storage.punchHole(0, 4096)).toBe(false);
    expect(storage.allocateSync(8192, 4096)).toBe(false);
    expect(await storage.allocate(8192, 4096)).toBe(false);
    storage.truncateSync(1 << 20);
    expect(storage.sizeBytes).toBe(1 << 20);
    const start = new Uint8Array(4096);
    storage.readSync(start, 0);
    expect(Buffer.compare(start, pattern(4096))).toBe(0);
    storage.closeSync();
  });

  it('locks of others are looked up in the list of the host, and warned of', () => {
    const path = `${directory}/locked.img`;
    const opened = (writable: boolean, forceShare = false): string[] => {
      const warnings: DiskWarning[] = [];
      const locking = { forceShare, warn: (warning: DiskWarning) => void warnings.push(warning) };
      runSync(openFileStorage(path, { writable, locking })).closeSync();
      return warnings.map(({ detail }) => detail);
    };
    const quiet = { forceShare: false, warn: () => {} };
    host.hasNativeCalls = true;
    const writer = runSync(createFileStorage(path, { locking: quiet }));
    host.hasNativeCalls = false;
    const inUse = ['storage.in-use'];
    expect([opened(false), opened(true), opened(false, true)]).toEqual([inUse, inUse, inUse]);
    writer.closeSync();
    expect([opened(false), opened(true), opened(false, true)]).toEqual([[], [], []]);
    host.hasNativeCalls = true;
    const reader = runSync(openFileStorage(path, { locking: quiet }));
    host.hasNativeCalls = false;
    expect([opened(false), opened(true), opened(false, true)]).toEqual([[], inUse, []]);
    reader.closeSync();
  });
});
