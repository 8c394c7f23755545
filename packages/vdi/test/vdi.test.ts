import { describe, expect, it } from 'vitest';
import { writeU32le } from '@diskfile/bytes';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  MemoryStorage,
  noDecoders,
  openChain,
  runSync,
} from '@diskfile/core';
import { detailOf } from '@diskfile/testkit';
import { vdiDriver } from '../src/index.ts';

const MIB = 1024 * 1024;
const MAP_AT = 512;

function create(sizeBytes: number, options: Record<string, string | boolean> = {}): MemoryStorage {
  const storage = new MemoryStorage(new Uint8Array(0), 'image.vdi');
  const createNamed = () => {
    throw new Error('a VDI image names no files');
  };
  runSync(vdiDriver.create!({ storage, sizeBytes, options, backing: undefined, createNamed }));
  return storage;
}

function open(storage: MemoryStorage, writable = true): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [vdiDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'vdi',
      snapshot: undefined,
      writable,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function patched(at: number, value: number): MemoryStorage {
  const storage = create(3 * MIB);
  const disk = open(storage);
  disk.writeSync(new Uint8Array(2 * MIB).fill(1), 0);
  disk.closeSync();
  const field = new Uint8Array(4);
  writeU32le(field, 0, value);
  storage.writeSync(field, at);
  return storage;
}

describe('a VDI image', () => {
  it('takes blocks in the order of writing', () => {
    const storage = create(8 * MIB);
    const disk = open(storage);
    disk.writeSync(Uint8Array.of(1), 5 * MIB);
    disk.writeSync(Uint8Array.of(2), 7);
    disk.closeSync();
    const again = open(storage, false);
    const data = [...again.blockStatusSync()].filter((status) => status.data);
    expect(data.map(({ guestOffset, hostOffset }) => [guestOffset, hostOffset])).toEqual([
      [0, MIB + 1024],
      [5 * MIB, 1024],
    ]);
    expect(again.info()[0]!.details).toMatchObject({ type: 'dynamic', allocatedBlocks: 2 });
  });

  it('links no block before a flush, and all of them by it', () => {
    const storage = create(8 * MIB);
    const disk = open(storage);
    disk.writeSync(new Uint8Array(100).fill(1), MIB);
    const before = new Uint8Array(1);
    open(storage, false).readSync(before, MIB);
    disk.flushSync();
    const after = new Uint8Array(1);
    open(storage, false).readSync(after, MIB);
    expect([before[0], after[0]]).toEqual([0, 1]);
  });

  it.each([
    ['an entry beyond all blocks', MAP_AT, 3, 'vdi.map-entry'],
    ['an entry far beyond', MAP_AT, 0x7fff_ffff, 'vdi.map-entry'],
  ])('refuses to read %s', (_, at, value, detail) => {
    const disk = open(patched(at, value), false);
    expect(detailOf(() => disk.readSync(new Uint8Array(1), 0))).toBe(detail);
  });

  it('reads where the map is longer than what lies before the data, and does not write', () => {
    const storage = patched(344, 512);
    open(storage, false).closeSync();
    expect(detailOf(() => open(storage))).toBe('vdi.data-offset');
  });

  it('reads a map that is too long for a writer', () => {
    const storage = patched(384, 0x1fff_ff80);
    const disk = open(storage, false);
    expect(disk.readSync(new Uint8Array(512), 0)).toBeUndefined();
    disk.closeSync();
    expect(detailOf(() => open(storage))).toMatch(/^vdi\.(data-offset|map-limit)$/);
  });

  it('refuses to write where two blocks share a place', () => {
    const storage = patched(MAP_AT + 4, 0);
    expect(detailOf(() => open(storage))).toBe('vdi.map-duplicate');
    open(storage, false).closeSync();
  });

  it.each([
    ['version', 68, 0x0001_0002, 'vdi.version'],
    ['type', 76, 9, 'vdi.type'],
    ['block size', 376, 3 * MIB, 'vdi.block-size'],
    ['number of blocks', 384, 2, 'vdi.block-count'],
    ['length of the map', 384, 0x4000_0000, 'vdi.map-size'],
    ['place of the map', 340, 100, 'vdi.map-offset'],
    ['place of the data', 344, 513, 'vdi.data-offset'],
    ['sector size', 360, 4096, 'vdi.sector-size'],
  ])('refuses a wrong %s', (_, at, value, detail) => {
    expect(detailOf(() => open(patched(at, value), false))).toBe(detail);
  });

  it.each([
    ['an unknown option', { subformat: 'x' }, 'vdi.option'],
    ['a wrong value', { static: 'perhaps' }, 'vdi.static'],
  ])('is not made with %s', (_, options, detail) => {
    expect(detailOf(() => create(MIB, options))).toBe(detail);
  });
});
