import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
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
import { vhdDriver } from '../src/index.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;
const TABLE_AT = 1536;

function create(sizeBytes: number, options: Record<string, string | boolean> = {}): MemoryStorage {
  const storage = new MemoryStorage(new Uint8Array(0), 'image.vhd');
  const createNamed = () => {
    throw new Error('a VHD image names no files');
  };
  runSync(vhdDriver.create!({ storage, sizeBytes, options, backing: undefined, createNamed }));
  return storage;
}

function open(storage: MemoryStorage, writable = true): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [vhdDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'vhd',
      snapshot: undefined,
      writable,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function footerOf(storage: MemoryStorage): string {
  return Buffer.from(storage.bytes.subarray(-SECTOR)).toString('hex');
}

const FIXED = 2;
const DIFFERENCING = 4;

/** A whole footer as a guest can make it: of another type, and for a disk of a GiB. */
function forgedFooter({ bytes }: MemoryStorage, type: number): Uint8Array {
  const footer = Buffer.from(bytes.slice(0, SECTOR));
  footer.writeBigUInt64BE(2n ** 30n, 48);
  footer.writeUInt32BE(type, 60);
  footer.writeUInt32BE(0, 64);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  return footer;
}

describe('a dynamic VHD image', () => {
  it('has its footer behind the last block, and the same at its start', () => {
    const storage = create(5 * MIB, { force_size: true });
    const footer = footerOf(storage);
    const disk = open(storage);
    disk.writeSync(new Uint8Array(10).fill(7), 3 * MIB);
    disk.closeSync();
    expect(footerOf(storage)).toBe(footer);
    expect(Buffer.from(storage.bytes.subarray(0, SECTOR)).toString('hex')).toBe(footer);
    expect(storage.sizeBytes).toBe(TABLE_AT + SECTOR + SECTOR + 2 * MIB + SECTOR);
  });

  it('takes no footer that a guest has left at the end of a file cut short by a crash', () => {
    const storage = create(5 * MIB, { force_size: true });
    const disk = open(storage);
    disk.writeSync(new Uint8Array(10).fill(7), 0);
    disk.closeSync();
    // The block is there, and the footer behind it is not.
    for (const type of [DIFFERENCING, FIXED, 77]) {
      const left = new MemoryStorage(storage.bytes.slice(0, -SECTOR));
      left.writeSync(forgedFooter(storage, type), left.sizeBytes - SECTOR);
      const byte = new Uint8Array(1);
      const opened = open(left, false);
      opened.readSync(byte, 0);
      expect([opened.sizeBytes, byte[0]]).toEqual([5 * MIB, 7]);
    }
  });

  it('is opened by the copy of its footer where a crash has left none behind the last block', () => {
    const storage = create(5 * MIB, { force_size: true });
    const footer = footerOf(storage);
    storage.truncateSync(storage.sizeBytes - SECTOR);
    storage.writeSync(new Uint8Array(3 * MIB).fill(9), storage.sizeBytes);
    const disk = open(storage);
    disk.writeSync(new Uint8Array(10).fill(7), 100);
    const found = new Uint8Array(200);
    disk.readSync(found, 0);
    expect([found[99], found[100], found[110]]).toEqual([0, 7, 0]);
    disk.closeSync();
    expect(footerOf(storage)).toBe(footer);
  });

  it('is written on a device, which keeps its size, where it has blocks', () => {
    const storage = create(8 * MIB);
    const filling = open(storage);
    filling.writeSync(new Uint8Array(SECTOR).fill(1), 0);
    filling.closeSync();
    storage.truncateSync(16 * MIB);
    storage.truncateSync = () => {
      throw new DiskError('unsupported', 'storage.device-size', 'a device keeps its size');
    };
    const disk = open(storage);
    disk.writeSync(new Uint8Array(SECTOR).fill(2), SECTOR);
    disk.flushSync();
    // What lies behind the blocks of a device does not read as zeros.
    expect(() => disk.writeSync(new Uint8Array(SECTOR), 4 * MIB)).toThrow(/keeps its size/);
    disk.closeSync();
    const found = new Uint8Array(SECTOR);
    open(storage, false).readSync(found, SECTOR);
    expect(found.every((byte) => byte === 2)).toBe(true);
  });

  it('is not read as zeros where the file has been cut off', () => {
    const storage = create(5 * MIB, { force_size: true });
    const disk = open(storage);
    disk.writeSync(new Uint8Array(10).fill(7), 3 * MIB);
    disk.closeSync();
    const cut = new MemoryStorage(storage.bytes.slice(0, -MIB));
    const refusal = expect.objectContaining({ code: 'corrupt', detail: 'vhd.block-cut' });
    expect(() => open(cut)).toThrowError(refusal);
    const opened = open(cut, false);
    const bytes = new Uint8Array(1);
    opened.readSync(bytes, 0);
    expect(() => opened.readSync(bytes, 3 * MIB)).toThrowError(refusal);
    expect(() => [...opened.blockStatusSync()]).toThrowError(refusal);
  });

  it('is not written where two blocks share a place', () => {
    const storage = create(5 * MIB, { force_size: true });
    const disk = open(storage);
    disk.writeSync(new Uint8Array(10).fill(7), 0);
    disk.closeSync();
    storage.writeSync(storage.bytes.slice(TABLE_AT, TABLE_AT + 4), TABLE_AT + 4);
    expect(() => open(storage)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhd.overlap' }),
    );
    open(storage, false).closeSync();
  });

  it('is refused with a damaged header', () => {
    const storage = create(5 * MIB);
    storage.writeSync(new Uint8Array([1]), SECTOR + 100);
    expect(() => open(storage, false)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhd.header-checksum' }),
    );
  });
});

describe('the size of a new VHD image', () => {
  it('is that of its geometry, or to the byte where that is forced', () => {
    expect(open(create(5 * MIB)).sizeBytes).toBeGreaterThan(5 * MIB);
    expect(open(create(5 * MIB, { force_size: true })).sizeBytes).toBe(5 * MIB);
  });

  it('is whole MiB in a fixed image as Azure wants it', () => {
    const storage = create(5 * MIB, { force_size: true, subformat: 'fixed' });
    expect(storage.sizeBytes).toBe(5 * MIB + SECTOR);
    expect(open(storage).sizeBytes).toBe(5 * MIB);
  });

  it('has a bound', () => {
    expect(() => create(3 * 2 ** 40)).toThrowError(
      expect.objectContaining({ code: 'invalid-argument', detail: 'vhd.too-large' }),
    );
  });
});

describe('a fixed VHD image', () => {
  it('takes no footer that a guest has written to its first sector', () => {
    const storage = create(5 * MIB, { subformat: 'fixed', force_size: true });
    const forged = forgedFooter(create(5 * MIB, { force_size: true }), DIFFERENCING);
    const disk = open(storage);
    disk.writeSync(forged, 0);
    disk.closeSync();
    const opened = open(storage, false);
    const first = new Uint8Array(SECTOR);
    opened.readSync(first, 0);
    expect(opened.sizeBytes).toBe(5 * MIB);
    expect(Buffer.compare(first, forged)).toBe(0);
  });
});

describe('a footer of a disk that is larger than its file', () => {
  /** Both footers, or the only one, tell of a PiB. */
  function larger(options: Record<string, string | boolean>): MemoryStorage {
    const storage = create(5 * MIB, options);
    for (const at of [0, storage.sizeBytes - SECTOR]) {
      const footer = Buffer.from(storage.bytes.slice(at, at + SECTOR));
      if (footer.toString('latin1', 0, 8) !== 'conectix') continue;
      footer.writeBigUInt64BE(2n ** 50n, 48);
      footer.writeUInt32BE(0, 64);
      footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
      storage.writeSync(footer, at);
    }
    return storage;
  }

  it.each([
    [{ force_size: true, subformat: 'fixed' }, 'vhd.fixed-cut'],
    [{ force_size: true }, 'vhd.table-too-small'],
  ])('is refused: %s', (options, detail) => {
    for (const writable of [false, true]) {
      expect(() => open(larger(options), writable)).toThrowError(
        expect.objectContaining({ code: 'corrupt', detail }),
      );
    }
  });
});
