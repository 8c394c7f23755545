import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createDiskFileSync,
  MemoryStorage,
  openDiskFile,
  openDiskFileSync,
  OverlayStorage,
} from '../src/index.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'diskfile-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const path = join(root, 'disk.raw');

beforeEach(() => createDiskFileSync(path, { format: 'raw', sizeBytes: 4096, overwrite: true }));

const bytes = (fill: number, length = 512) => new Uint8Array(length).fill(fill);

describe('a disk opened for writing', () => {
  it('keeps what is written to it', async () => {
    const disk = await openDiskFile(path, { readOnly: false });
    expect(disk.readOnly).toBe(false);
    await disk.write(bytes(1), 512);
    disk.writeSync(bytes(2), 1024);
    await disk.writeZeroes(1024, 256);
    await disk.close();
    const file = fs.readFileSync(path);
    expect(Buffer.compare(file.subarray(512, 1024), bytes(1))).toBe(0);
    expect(Buffer.compare(file.subarray(1024, 1280), bytes(0, 256))).toBe(0);
    expect(Buffer.compare(file.subarray(1280, 1536), bytes(2, 256))).toBe(0);
  });

  it('is written only when that was asked for', async () => {
    using disk = openDiskFileSync(path);
    expect(disk.readOnly).toBe(true);
    const refusals = [
      () => disk.write(bytes(1), 0),
      () => disk.writeZeroes(0, 512),
      () => disk.discard(0, 512),
      () => disk.submitBatch([{ op: 'write', guestOffset: 0, buffer: bytes(1) }]),
      async () => disk.writeSync(bytes(1), 0),
    ];
    for (const refusal of refusals) {
      await expect(refusal()).rejects.toMatchObject({ code: 'read-only' });
    }
    expect(fs.readFileSync(path).every((byte) => byte === 0)).toBe(true);
    // There is nothing that a flush could lose.
    await disk.flush();
    disk.flushSync();
    expect(await disk.submitBatch([{ op: 'flush' }])).toEqual([{ error: undefined }]);
  });

  it('is nobody else’s, except for readers that insist', () => {
    const open = (options: object) => openDiskFileSync(path, options);
    const busy = expect.objectContaining({ code: 'busy', detail: 'storage.locked' });
    using disk = open({ readOnly: false });
    expect(() => open({ readOnly: false })).toThrowError(busy);
    expect(() => open({})).toThrowError(busy);
    using insisting = open({ forceShare: true });
    expect(insisting.warnings).toMatchObject([{ detail: 'storage.in-use' }]);
    expect(() => open({ readOnly: false, forceShare: true })).toThrowError(
      expect.objectContaining({ detail: 'open.force-share' }),
    );
    disk.closeSync();
    using second = open({});
    expect(second.warnings).toEqual([]);
    expect(() => open({ readOnly: false })).toThrowError(busy);
  });

  it.each([
    [{ limits: { maxChainLength: 0 } }, 'argument.limits.maxChainLength'],
    [{ forceShare: true, readOnly: false }, 'open.force-share'],
  ])('closes the storage that it was given when %j is refused', async (options, detail) => {
    const closed: string[] = [];
    class Closing extends MemoryStorage {
      override closeSync(): void {
        closed.push('sync');
      }

      override async close(): Promise<void> {
        closed.push('async');
      }
    }
    const refused = expect.objectContaining({ code: 'invalid-argument', detail });
    expect(() => openDiskFileSync(new Closing(), options)).toThrowError(refused);
    await expect(openDiskFile(new Closing(), options)).rejects.toEqual(refused);
    expect(closed).toEqual(['sync', 'async']);
  });

  it('is described to no other thread, which could not know what it changes', () => {
    using reading = openDiskFileSync(path);
    expect(reading.descriptor).toBeDefined();
    reading.closeSync();
    using writing = openDiskFileSync(path, { readOnly: false });
    expect(writing.descriptor).toBeUndefined();
  });

  it('can be an overlay, which leaves the image as it was', () => {
    const base = new MemoryStorage(bytes(7, 1024));
    using disk = openDiskFileSync(new OverlayStorage(base), { format: 'raw', readOnly: false });
    disk.writeSync(bytes(1, 10), 5);
    const back = bytes(0, 20);
    disk.readSync(back, 0);
    expect([...back]).toEqual([...bytes(7, 5), ...bytes(1, 10), ...bytes(7, 5)]);
    expect(base.bytes.every((byte) => byte === 7)).toBe(true);
  });

  it('is none that cannot be written: part of a split set, a storage for reading', () => {
    const first = join(root, 'split.001');
    fs.writeFileSync(first, bytes(1));
    fs.writeFileSync(join(root, 'split.002'), bytes(2));
    expect(() => openDiskFileSync(first, { readOnly: false })).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'open.split-read-only' }),
    );
    const { writeSync: _, ...reading } = { writeSync: 0, name: 'x', closeSync: () => {} };
    expect(() => openDiskFileSync(reading as never, { readOnly: false })).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'open.storage-read-only' }),
    );
  });
});
