import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { openFileStorage } from '../src/index.ts';
import { bothWays } from './support/drivers.ts';
import { dirty, equal, expectedBytes, expectReads, readsOf } from './support/model.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();
const SIZE = 10_007;
const content = pattern(SIZE);
const path = writeTemp(directory, 'content.img', content);

describe('reading a file', () => {
  it('gives the bytes of the file, and zeros past its end, in every way of reading', async () => {
    for (const storage of await bothWays(() => openFileStorage(path))) {
      expect(storage.sizeBytes).toBe(SIZE);
      await fc.assert(
        fc.asyncProperty(readsOf(SIZE), (reads) => expectReads(storage, content, reads)),
      );
      await storage.close();
    }
  });

  it('keeps many reads apart that overlap in time', async () => {
    const storage = runSync(openFileStorage(path));
    const offsets = Array.from({ length: 64 }, (_, index) => (index * 997) % SIZE);
    const buffers = offsets.map(() => dirty(700));
    await Promise.all(buffers.map((buffer, index) => storage.read(buffer, offsets[index]!)));
    for (const [index, buffer] of buffers.entries()) {
      expect(equal(buffer, expectedBytes(content, offsets[index]!, 700))).toBe(true);
    }
    await storage.close();
  });

  it('takes more buffers than the host takes at a time', async () => {
    const storage = runSync(openFileStorage(path));
    const sync = Array.from({ length: 3000 }, () => dirty(3));
    storage.readvSync(sync, 5);
    expect(equal(Buffer.concat(sync), expectedBytes(content, 5, 9000))).toBe(true);
    const later = Array.from({ length: 3000 }, () => dirty(3));
    await storage.readv(later, 5);
    expect(equal(Buffer.concat(later), expectedBytes(content, 5, 9000))).toBe(true);
    await storage.close();
  });

  it('knows hard links for the same file, and copies for others', () => {
    const link = `${path}.link`;
    fs.linkSync(path, link);
    const copy = writeTemp(directory, 'copy.img', content);
    const [original, linked, copied] = [path, link, copy].map((p) => runSync(openFileStorage(p)));
    expect(linked!.identity).toBe(original!.identity);
    expect(copied!.identity).not.toBe(original!.identity);
    for (const storage of [original, linked, copied]) storage!.closeSync();
  });

  it('counts what a sparse file takes on the host', () => {
    const sparse = writeTemp(directory, 'sparse.img', pattern(4096));
    fs.truncateSync(sparse, 2 ** 40);
    const storage = runSync(openFileStorage(sparse));
    expect(storage.sizeBytes).toBe(2 ** 40);
    expect(storage.allocatedBytes()).toBe(fs.statSync(sparse).blocks * 512);
    const far = dirty(100);
    storage.readSync(far, 2 ** 40 - 50);
    expect(far.every((byte) => byte === 0)).toBe(true);
    storage.closeSync();
  });
});

describe('a file that changes while it is open', () => {
  it('does not see what is appended', async () => {
    const growing = writeTemp(directory, 'growing.img', content);
    const storage = runSync(openFileStorage(growing));
    fs.appendFileSync(growing, pattern(1000, 7));
    expect(storage.sizeBytes).toBe(SIZE);
    await expectReads(storage, content, { offset: SIZE - 100, lengths: [200, 50, 300] });
    await expectReads(storage, content, { offset: SIZE + 10, lengths: [20, 20] });
    await storage.close();
  });

  it('fails to read bytes that are gone, and still reads those that are not', async () => {
    const shrinking = writeTemp(directory, 'shrinking.img', content);
    const storage = runSync(openFileStorage(shrinking));
    fs.truncateSync(shrinking, 4000);
    const gone = { code: 'io', detail: 'storage.truncated', context: { offset: 4000 } };
    const attempts = [
      async () => storage.readSync(dirty(100), 3950),
      () => storage.read(dirty(100), 3950),
      async () => storage.readvSync([dirty(50), dirty(50)], 3950),
      () => storage.readv([dirty(40), dirty(60)], 3950),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject(gone);
    const kept = dirty(100);
    await storage.read(kept, 3900);
    expect(equal(kept, content.subarray(3900, 4000))).toBe(true);
    await storage.close();
  });
});
