import fs from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runAsync, type Storage } from '@diskfile/core';
import { type HostFiles, nodeHostFiles, openFileStorage } from '../src/index.ts';
import { dirty, equal } from './support/model.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();
afterEach(() => void vi.restoreAllMocks());
const SIZE = 4 * 1024 * 1024;
const content = pattern(SIZE);
const path = writeTemp(directory, 'content.img', content);

/** Opens the file and tells its descriptor, to see afterwards whether the host has it back. */
async function openTraced(): Promise<{ storage: Storage; fd: number }> {
  let fd = -1;
  const files: HostFiles = {
    ...nodeHostFiles,
    *open(target, options) {
      const opened = yield* nodeHostFiles.open(target, options);
      fd = opened.fd;
      return opened;
    },
  };
  const storage = await runAsync(openFileStorage(path, { files }));
  return { storage, fd };
}

function isOpen(fd: number): boolean {
  try {
    fs.fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

describe('closing', () => {
  it.each([
    ['close', async (storage: Storage) => await storage.close()],
    ['closeSync', async (storage: Storage) => storage.closeSync()],
  ])('%s gives the descriptor back; doing it again is harmless', async (_name, close) => {
    const { storage, fd } = await openTraced();
    expect(isOpen(fd)).toBe(true);
    await close(storage);
    expect(isOpen(fd)).toBe(false);
    // Whoever gets the number next must not lose it to a second close.
    const next = fs.openSync(path, 'r');
    storage.closeSync();
    await storage.close();
    expect(isOpen(next)).toBe(true);
    fs.closeSync(next);
  });

  it.each([
    ['close', async (storage: Storage) => await storage.close()],
    ['closeSync', async (storage: Storage) => storage.closeSync()],
  ])('%s succeeds where the host reports a failure', async (_name, close) => {
    const { storage, fd } = await openTraced();
    const failure = Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' });
    vi.spyOn(fs, 'close').mockImplementation((_fd, done) => done!(failure));
    vi.spyOn(fs, 'closeSync').mockImplementation(() => {
      throw failure;
    });
    await close(storage);
    vi.restoreAllMocks();
    expect(() => storage.readSync(dirty(1), 0)).toThrowError('closed');
    fs.closeSync(fd);
  });

  it('refuses every use afterwards', async () => {
    const { storage } = await openTraced();
    await storage.close();
    const closed = { code: 'invalid-argument', detail: 'storage.closed' };
    const uses = [
      async () => storage.readSync(dirty(1), 0),
      () => storage.read(dirty(1), 0),
      async () => storage.readvSync([dirty(1), dirty(1)], 0),
      () => storage.readv([dirty(1), dirty(1)], 0),
      async () => storage.hostRangeSync!(0, 1),
    ];
    for (const use of uses) await expect(use()).rejects.toMatchObject(closed);
  });

  it.each(['close', 'closeSync'] as const)(
    '%s lets reads that are under way finish first',
    async (method) => {
      const { storage, fd } = await openTraced();
      const buffers = Array.from({ length: 16 }, () => dirty(SIZE / 16));
      const reads = buffers.map((buffer, index) => storage.read(buffer, index * (SIZE / 16)));
      const vectors = [dirty(1000), dirty(2000)];
      reads.push(storage.readv(vectors, 100));
      const closing = storage[method]();
      expect(isOpen(fd)).toBe(true);
      await expect(storage.read(dirty(1), 0)).rejects.toMatchObject({ detail: 'storage.closed' });
      await Promise.all(reads);
      await closing;
      await storage.close();
      expect(equal(Buffer.concat(buffers), content)).toBe(true);
      expect(equal(Buffer.concat(vectors), content.subarray(100, 3100))).toBe(true);
      expect(isOpen(fd)).toBe(false);
    },
  );
});
