import { describe, expect, it } from 'vitest';
import { benchDisk, type DiskFile, MemoryStorage, openDiskFileSync } from '../src/index.ts';

const BENCH = { requests: 10, depth: 3, requestBytes: 4096, startBytes: 0, stepBytes: 4096 };

function memoryDisk(sizeBytes: number, readOnly = false): DiskFile {
  const storage = new MemoryStorage(new Uint8Array(sizeBytes));
  return openDiskFileSync(storage, { format: 'raw', readOnly });
}

describe('benchDisk', () => {
  it('writes its pattern where it says', async () => {
    await using disk = memoryDisk(64 * 1024);
    const options = { ...BENCH, requests: 2, startBytes: 8192, stepBytes: 16_384, write: true };
    expect(await benchDisk(disk, { ...options, pattern: 7 })).toBeGreaterThanOrEqual(0);
    const bytes = new Uint8Array(disk.sizeBytes);
    disk.readSync(bytes, 0);
    const written = [...bytes.keys()].filter((at) => bytes[at] === 7);
    expect(written).toHaveLength(8192);
    expect([written[0], written[4096]]).toEqual([8192, 8192 + 16_384]);
  });

  it('begins anew at the end of the disk', async () => {
    await using disk = memoryDisk(16 * 1024);
    await benchDisk(disk, { ...BENCH, requests: 100, write: true, pattern: 1, flushInterval: 10 });
    const bytes = new Uint8Array(disk.sizeBytes);
    disk.readSync(bytes, 0);
    expect(bytes.every((byte) => byte === 1)).toBe(true);
  });

  it('ends with the first failure, and when it is called off', async () => {
    await using disk = memoryDisk(16 * 1024, true);
    await expect(benchDisk(disk, { ...BENCH, write: true })).rejects.toThrow(/read/);
    await expect(benchDisk(disk, { ...BENCH, startBytes: 2 ** 30 })).rejects.toThrow(/range|disk/);
    const signal = AbortSignal.abort();
    await expect(benchDisk(disk, { ...BENCH, signal })).rejects.toMatchObject({ code: 'aborted' });
    await expect(benchDisk(disk, { ...BENCH, depth: 0 })).rejects.toThrow(/depth/);
  });
});
