import { MemoryStorage } from '@diskfile/core';
import { expect, it } from 'vitest';
import { DiskStorage } from '../../src/graph/disks/disk-storage.ts';
import { openDiskFile } from '../../src/index.ts';

it('grows for writes side by side, in whatever order they come', async () => {
  const file = new MemoryStorage(new Uint8Array(512));
  const storage = new DiskStorage(await openDiskFile(file, { format: 'raw', readOnly: false }));
  const offsets = [4096, 1024, 8192, 2048, 512];
  await Promise.all(
    offsets.map((offset, index) => storage.write(new Uint8Array(512).fill(index + 1), offset)),
  );
  expect(storage.sizeBytes).toBe(8192 + 512);
  const bytes = new Uint8Array(storage.sizeBytes);
  await storage.read(bytes, 0);
  expect(offsets.map((offset) => bytes[offset + 511])).toEqual([1, 2, 3, 4, 5]);
  await storage.close();
});

it('leaves what lies behind its end alone, as files do', async () => {
  const file = new MemoryStorage(new Uint8Array(1024).fill(1));
  const storage = new DiskStorage(await openDiskFile(file, { format: 'raw', readOnly: false }));
  for (const offset of [4096, 1024, 512]) {
    expect(storage.zeroSync(offset, 4096, false)).toBe(true);
    expect(await storage.zero(offset, 4096, true)).toBe(true);
    expect(storage.punchHoleSync(offset, 4096)).toBe(true);
    storage.discardSync(offset, 4096);
    await storage.discard(offset, 4096);
  }
  const bytes = new Uint8Array(1024);
  storage.readSync(bytes, 0);
  expect([storage.sizeBytes, bytes[511], bytes[512]]).toEqual([1024, 1, 0]);
  storage.closeSync();
});
