import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type HostRange,
  MemoryStorage,
  noDecoders,
  openChain,
  type OpenChainOptions,
  runSync,
  type Storage,
} from '@diskfile/core';
import { rawDriver } from '../src/index.ts';

function open(storage: Storage, overrides: Partial<OpenChainOptions> = {}): DiskFile {
  const options: OpenChainOptions = {
    drivers: [rawDriver],
    // Raw never asks for a decoder.
    decoders: noDecoders,
    gate: closedGate,
    limits: DEFAULT_LIMITS,
    format: undefined,
    snapshot: undefined,
    writable: false,
    followBacking: true,
    ...overrides,
  };
  const chain = runSync(openChain(storage, options));
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

/** A file with a hole in its first 4 KiB. */
class SparseStorage extends MemoryStorage {
  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    if (offset >= 4096) return { data: true, lengthBytes };
    return { data: false, lengthBytes: Math.min(lengthBytes, 4096 - offset) };
  }
}

describe('a raw disk', () => {
  it.each([
    [0, 0],
    [1, 512],
    [512, 512],
    [1000, 1024],
    [1025, 1536],
  ])('of a file of %d bytes has %d', (fileBytes, diskBytes) => {
    const disk = open(new MemoryStorage(new Uint8Array(fileBytes)));
    expect(disk.sizeBytes).toBe(diskBytes);
    expect(disk.format).toBe('raw');
  });

  it('reads as the file, with zeros in what its last sector lacks', async () => {
    const content = Uint8Array.from({ length: 1000 }, (_, index) => (index % 255) + 1);
    const disk = open(new MemoryStorage(content));
    const sync = new Uint8Array(1024).fill(0xff);
    disk.readSync(sync, 0);
    expect(Buffer.compare(sync.subarray(0, 1000), content)).toBe(0);
    expect(sync.subarray(1000).every((byte) => byte === 0)).toBe(true);
    const later = new Uint8Array(24).fill(0xff);
    await disk.read(later, 1000);
    expect(later.every((byte) => byte === 0)).toBe(true);
    expect(() => disk.readSync(new Uint8Array(1), 1024)).toThrowError(
      expect.objectContaining({ code: 'out-of-range' }),
    );
  });

  it("shows the file's holes", () => {
    const disk = open(new SparseStorage(new Uint8Array(8192)));
    const statuses = [...disk.blockStatusSync()];
    expect(statuses).toMatchObject([
      { guestOffset: 0, lengthBytes: 4096, data: false, zero: true, hostOffset: 0, depth: 0 },
      { guestOffset: 4096, lengthBytes: 4096, data: true, zero: false, hostOffset: 4096 },
    ]);
    expect(statuses.every(({ allocated }) => allocated)).toBe(true);
  });

  it('has 512-byte sectors and no clusters', () => {
    const { topology } = open(new MemoryStorage(new Uint8Array(512)));
    expect(topology).toEqual({
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: 1,
    });
  });

  it('is what fits when nothing else does, under the names that images give it', () => {
    const input = { head: new Uint8Array(0), tail: new Uint8Array(0), sizeBytes: 0 };
    expect(rawDriver.probe(input)).toBe('maybe');
    for (const format of ['raw', 'file', 'host_device']) {
      expect(open(new MemoryStorage(new Uint8Array(1)), { format }).format).toBe('raw');
    }
  });

  it('has no snapshots to open', () => {
    expect(() => open(new MemoryStorage(new Uint8Array(1)), { snapshot: 'before' })).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'raw.no-snapshots' }),
    );
  });
});
