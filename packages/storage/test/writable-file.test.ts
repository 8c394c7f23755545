import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { isWritable, MemoryStorage, runAsync, runSync } from '@diskfile/core';
import { createFileStorage, nodeHostFiles, openFileStorage } from '../src/index.ts';
import { bothFail, bothWays } from './support/drivers.ts';
import { dirty, equal } from './support/model.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';
import { changesOf, expectChanges } from './support/writable-model.ts';

const directory = tempDirectory();
afterEach(() => void vi.restoreAllMocks());

function openWritable(name: string, content: Uint8Array) {
  return runSync(openFileStorage(writeTemp(directory, name, content), { writable: true }));
}

describe('writing a file', () => {
  it('changes it as plain bytes would change, in every way of writing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(200_000), changesOf(300_000), async (sizeBytes, changes) => {
        const content = pattern(sizeBytes);
        const storage = openWritable('changed.img', content);
        const model = await expectChanges(storage, content, changes);
        await storage.close();
        expect(equal(fs.readFileSync(join(directory, 'changed.img')), model)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('stays as it is when nothing is written past its end', async () => {
    const file = openWritable('empty-write.img', pattern(100));
    for (const storage of [file, new MemoryStorage(pattern(100))]) {
      storage.writeSync(new Uint8Array(0), 5000);
      expect(storage.sizeBytes).toBe(100);
      await storage.write(new Uint8Array(0), 5000);
      expect(storage.sizeBytes).toBe(100);
      await storage.close();
    }
  });

  it('keeps many writes apart that overlap in time', async () => {
    const storage = openWritable('parallel.img', new Uint8Array(0));
    const pieces = Array.from({ length: 64 }, (_, index) => pattern(1000 + index, index));
    await Promise.all(pieces.map((piece, index) => storage.write(piece, index * 2000)));
    for (const [index, piece] of pieces.entries()) {
      const back = dirty(piece.length);
      storage.readSync(back, index * 2000);
      expect(equal(back, piece)).toBe(true);
    }
    expect(storage.sizeBytes).toBe(63 * 2000 + 1063);
    await storage.close();
  });

  it('reads zeros, or what was there, where the file is cut meanwhile', async () => {
    const storage = openWritable('cut.img', new Uint8Array(4 * 65_536).fill(7));
    for (let round = 0; round < 50; round++) {
      await storage.write(new Uint8Array(4 * 65_536).fill(7), 0);
      const reads = Array.from({ length: 4 }, () => dirty(65_536));
      await Promise.all([
        storage.truncate(65_536 + 100),
        ...reads.map((dst, index) => storage.read(dst, index * 65_536)),
      ]);
      expect(reads[0]!.every((byte) => byte === 7)).toBe(true);
      expect(reads.every((dst) => dst.every((byte) => byte === 7 || byte === 0))).toBe(true);
    }
    await storage.close();
  });

  it('is something that reading alone cannot do', () => {
    const path = writeTemp(directory, 'reading.img', 'abc');
    const storage = runSync(openFileStorage(path));
    expect(isWritable(storage)).toBe(false);
    storage.closeSync();
    const writable = runSync(openFileStorage(path, { writable: true }));
    expect(isWritable(writable)).toBe(true);
    writable.closeSync();
  });

  it('never creates a file', async () => {
    const path = join(directory, 'missing.img');
    for (const error of await bothFail(() => openFileStorage(path, { writable: true }))) {
      expect(error).toMatchObject({ code: 'not-found' });
    }
    expect(fs.existsSync(path)).toBe(false);
  });

  it('lets writes that are under way finish before it closes', async () => {
    const storage = openWritable('closing.img', new Uint8Array(0));
    const content = pattern(1_000_000);
    const writes = Array.from({ length: 8 }, (_, index) => storage.write(content, index * 1e6));
    storage.closeSync();
    await expect(storage.write(dirty(1), 0)).rejects.toMatchObject({ detail: 'storage.closed' });
    expect(() => storage.flushSync()).toThrowError(/closed/);
    await Promise.all(writes);
    await storage.close();
    const written = fs.readFileSync(join(directory, 'closing.img'));
    expect(equal(written, Buffer.concat(writes.map(() => content)))).toBe(true);
  });

  it('shows what it wrote and punched among the holes', () => {
    const storage = openWritable('holes.img', new Uint8Array(0));
    storage.truncateSync(1 << 20);
    const at = 1 << 19;
    const status = () => storage.hostRangeSync(at, 65536).data;
    const before = status();
    storage.writeSync(pattern(65536), at);
    expect(status()).toBe(true);
    expect(storage.allocatedBytes()).toBeGreaterThanOrEqual(65536);
    const punched = storage.punchHoleSync(at, 65536);
    expect(status()).toBe(!punched);
    // Where holes can be told and punched at all, which they can on the hosts of our tests.
    expect([before, punched]).toEqual([false, true]);
    expect(storage.allocatedBytes()).toBe(0);
    storage.closeSync();
  });
});

describe('a host that fails', () => {
  const failure = (code: string) => Object.assign(new Error(code), { code });

  it.each([
    ['ENOSPC', 'no-space', 'storage.no-space'],
    ['EDQUOT', 'no-space', 'storage.quota'],
    ['EFBIG', 'no-space', 'storage.file-too-large'],
    ['EIO', 'io', 'storage.host'],
  ])('with %s makes a write fail with %s', async (errno, code, detail) => {
    const storage = openWritable('failing.img', pattern(1000));
    // Writes a little before it fails, as a full disk does.
    vi.spyOn(fs, 'writeSync').mockImplementationOnce(((...args: unknown[]) => {
      fs.ftruncateSync(args[0] as number, (args[4] as number) + 10);
      throw failure(errno);
    }) as never);
    expect(() => storage.writeSync(dirty(100), 2000)).toThrowError(
      expect.objectContaining({ code, detail, errno }),
    );
    expect(storage.sizeBytes).toBe(2010);
    vi.spyOn(fs, 'write').mockImplementationOnce(((...args: unknown[]) => {
      (args[5] as (error: Error, count: number) => void)(failure(errno), 0);
    }) as never);
    await expect(storage.write(dirty(100), 0)).rejects.toMatchObject({ code, detail, errno });
    storage.writeSync(dirty(100), 3000);
    expect(storage.sizeBytes).toBe(3100);
    await storage.close();
  });

  it('with short writes is asked for the rest', async () => {
    const storage = openWritable('short.img', new Uint8Array(0));
    const real = { writeSync: fs.writeSync, write: fs.write };
    vi.spyOn(fs, 'writeSync').mockImplementation(((...args: unknown[]) => {
      args[3] = Math.min(args[3] as number, 7);
      return (real.writeSync as (...a: unknown[]) => number)(...args);
    }) as never);
    vi.spyOn(fs, 'write').mockImplementation(((...args: unknown[]) => {
      args[3] = Math.min(args[3] as number, 7);
      (real.write as (...a: unknown[]) => void)(...args);
    }) as never);
    storage.writeSync(pattern(100), 5);
    await storage.write(pattern(100, 3), 105);
    const back = dirty(200);
    storage.readSync(back, 5);
    expect(equal(back, Buffer.concat([pattern(100), pattern(100, 3)]))).toBe(true);
    await storage.close();
  });

  it('that takes nothing does not hang the writer', async () => {
    const storage = openWritable('nothing.img', new Uint8Array(0));
    vi.spyOn(fs, 'writeSync').mockReturnValue(0);
    expect(() => storage.writeSync(dirty(1), 0)).toThrowError(DiskError);
    vi.spyOn(fs, 'write').mockImplementation(((...args: unknown[]) => {
      (args[5] as (error: null, count: number) => void)(null, 0);
    }) as never);
    await expect(storage.write(dirty(1), 0)).rejects.toMatchObject({ code: 'io' });
    await storage.close();
  });

  it('to flush is not believed afterwards', async () => {
    const storage = openWritable('unflushed.img', new Uint8Array(0));
    storage.writeSync(dirty(1), 0);
    vi.spyOn(fs, 'fdatasyncSync').mockImplementationOnce(() => {
      throw failure('EIO');
    });
    expect(() => storage.flushSync()).toThrowError(expect.objectContaining({ code: 'io' }));
    expect(() => storage.flushSync()).toThrowError(/An earlier flush/);
    await expect(storage.flush()).rejects.toMatchObject({ detail: 'storage.lost-writes' });
    await storage.close();
  });
});

describe('a device', () => {
  const path = writeTemp(directory, 'device', pattern(4096));
  const files = {
    ...nodeHostFiles,
    *status(target: string) {
      return { ...(yield* nodeHostFiles.status(target)), kind: 'block device' as const };
    },
    *open(target: string, options: { followSymlink: boolean; writable: boolean }) {
      const { fd, status } = yield* nodeHostFiles.open(target, options);
      return { fd, status: { ...status, kind: 'block device' as const } };
    },
  };

  it('is written in place and cannot grow or shrink', async () => {
    for (const storage of await bothWays(() => openFileStorage(path, { writable: true, files }))) {
      expect(storage.sizeBytes).toBe(4096);
      storage.writeSync(dirty(96), 4000);
      await storage.write(dirty(96), 4000);
      expect(() => storage.writeSync(dirty(97), 4000)).toThrowError(/cannot grow/);
      await expect(storage.write(dirty(97), 4000)).rejects.toMatchObject({ code: 'no-space' });
      storage.truncateSync(4096);
      await expect(storage.truncate(4097)).rejects.toMatchObject({ code: 'unsupported' });
      expect(() => storage.truncateSync(4000)).toThrowError(/size cannot be changed/);
      await storage.close();
      expect(fs.statSync(path).size).toBe(4096);
    }
  });
});

describe('creating a file', () => {
  it('gives an empty one that can be written and read', async () => {
    const path = join(directory, 'created.img');
    for (const drive of [runSync, runAsync]) {
      fs.rmSync(path, { force: true });
      const storage = await drive(createFileStorage(path));
      expect(storage.sizeBytes).toBe(0);
      await storage.write(pattern(100), 50);
      await storage.close();
      expect(equal(fs.readFileSync(path).subarray(50), pattern(100))).toBe(true);
    }
  });

  it('refuses a name that is taken, unless told to empty the file', async () => {
    const path = writeTemp(directory, 'taken.img', 'precious');
    for (const error of await bothFail(() => createFileStorage(path))) {
      expect(error).toMatchObject({ code: 'invalid-argument', detail: 'storage.exists' });
    }
    expect(fs.readFileSync(path, 'utf8')).toBe('precious');
    const storage = runSync(createFileStorage(path, { exclusive: false }));
    expect(storage.sizeBytes).toBe(0);
    storage.closeSync();
    expect(fs.statSync(path).size).toBe(0);
  });

  it('refuses what is no file, without opening it', async () => {
    for (const error of await bothFail(() =>
      createFileStorage('/dev/null', { exclusive: false }),
    )) {
      expect(error).toMatchObject({ detail: 'storage.not-a-file' });
    }
  });
});
