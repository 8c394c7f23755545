import { describe, expect, it, vi } from 'vitest';
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
import { buildSmallVhdx, detailOf, VHDX_PLACES } from '@diskfile/testkit';
import { vhdxDriver } from '../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BAT_AT = 2 * MIB;
const HEADERS_AT = [64 * KIB, 128 * KIB] as const;

function create(options: Record<string, string | number | boolean> = {}): MemoryStorage {
  const storage = new MemoryStorage(new Uint8Array(0), 'image.vhdx');
  const context = { storage, sizeBytes: 3 * MIB, options: { block_size: MIB, ...options } };
  const createNamed = () => {
    throw new Error('a VHDX disk names no files');
  };
  runSync(vhdxDriver.create!({ ...context, backing: undefined, createNamed }));
  return storage;
}

interface Opening {
  readonly followBacking?: boolean;
  readonly asQemu?: boolean;
}

function open(
  storage: MemoryStorage,
  writable = true,
  { followBacking = true, asQemu = false }: Opening = {},
): DiskFile {
  const chain = runSync(
    openChain(storage, {
      drivers: [vhdxDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'vhdx',
      snapshot: undefined,
      writable,
      followBacking,
      tuning: { asQemu },
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function readByte(storage: MemoryStorage, guestOffset: number): number {
  const disk = open(storage, false);
  const byte = new Uint8Array(1);
  disk.readSync(byte, guestOffset);
  disk.closeSync();
  return byte[0]!;
}

/** The file as it is after a flush, with its log in force and the table not changed yet. */
function leftWithLog(): MemoryStorage {
  const storage = create();
  const table = storage.bytes.slice(BAT_AT, BAT_AT + MIB);
  const disk = open(storage);
  disk.writeSync(new Uint8Array(4096).fill(7), MIB);
  disk.flushSync();
  const left = new MemoryStorage(storage.bytes.slice());
  left.writeSync(table, BAT_AT);
  return left;
}

describe('the log of a VHDX disk', () => {
  it('is applied to what is read, and the file stays as it is', () => {
    const storage = leftWithLog();
    const before = storage.bytes.slice();
    expect(readByte(storage, MIB)).toBe(7);
    expect(Buffer.compare(storage.bytes, before)).toBe(0);
  });

  it('is applied to the file when that is opened for writing', () => {
    const storage = leftWithLog();
    open(storage).closeSync();
    storage.writeSync(new Uint8Array(MIB), MIB);
    expect(readByte(storage, MIB)).toBe(7);
  });

  it('keeps a disk from being read only as QEMU opens it', () => {
    const storage = leftWithLog();
    expect(detailOf(() => open(storage, false, { asQemu: true }))).toBe('vhdx.log-in-force');
    open(storage, true, { asQemu: true }).closeSync();
    open(storage, false, { asQemu: true }).closeSync();
    expect(readByte(storage, MIB)).toBe(7);
  });

  it('is refused when no entry is whole, and left alone as QEMU does it', () => {
    const storage = leftWithLog();
    for (let at = MIB; at < 2 * MIB; at += 4 * KIB) {
      storage.writeSync(new Uint8Array([storage.bytes[at + 100]! + 1]), at + 100);
    }
    expect(() => open(storage, false)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhdx.log-empty' }),
    );
    open(storage, false, { asQemu: true }).closeSync();
    open(storage, true, { asQemu: true }).closeSync();
  });
});

describe('a log that changes the headers', () => {
  it.each([0, 64 * KIB, MIB - 4 * KIB])(
    'at %d is refused, and nothing is changed',
    (fileOffset) => {
      const zeros = { at: 0, tail: 0, number: 5, changes: [[fileOffset, 4 * KIB]] as const };
      const shape = { sizeBytes: 3 * MIB, entries: [2n], blocks: 1 };
      const storage = new MemoryStorage(buildSmallVhdx({ ...shape, log: [zeros] }), 'image.vhdx');
      const before = storage.bytes.slice();
      for (const writable of [false, true]) {
        expect(detailOf(() => open(storage, writable))).toBe('vhdx.log-place');
      }
      expect(Buffer.compare(storage.bytes, before)).toBe(0);
    },
  );
});

describe('the headers of a VHDX disk', () => {
  it.each(HEADERS_AT)('may be damaged at %d', (at) => {
    const storage = create();
    storage.writeSync(new Uint8Array(4096), at);
    expect(readByte(storage, 0)).toBe(0);
  });

  it('may not be damaged both', () => {
    const storage = create();
    for (const at of HEADERS_AT) storage.writeSync(new Uint8Array(4096), at);
    expect(() => open(storage, false)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhdx.no-header' }),
    );
  });

  it('are missing in a file that is of no such kind', () => {
    expect(() => open(new MemoryStorage(new Uint8Array(2 ** 20)), false)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhdx.no-signature' }),
    );
  });
});

describe('a fixed VHDX disk', () => {
  const stateOf = (storage: MemoryStorage) => storage.bytes[BAT_AT]! % 8;

  it('has its blocks at their places where they are not said to be zero', () => {
    expect(stateOf(create({ subformat: 'fixed', block_state_zero: false }))).toBe(6);
    expect(stateOf(create({ subformat: 'fixed' }))).toBe(2);
    expect(stateOf(create({ block_state_zero: false }))).toBe(0);
  });

  it('takes no space for blocks that nobody has written', () => {
    const reserved = vi.spyOn(MemoryStorage.prototype, 'allocateSync');
    create({ subformat: 'fixed' });
    expect(reserved).not.toHaveBeenCalled();
    reserved.mockRestore();
  });
});

describe('a block of a VHDX disk', () => {
  it.each([0, 1, 2, 3, 5])('reads as zeros in the state %d, and can be written', (state) => {
    const storage = create();
    storage.writeSync(Uint8Array.of(state), BAT_AT + 8);
    expect(readByte(storage, MIB)).toBe(0);
    const disk = open(storage);
    disk.writeSync(Uint8Array.of(7), MIB);
    disk.closeSync();
    expect(readByte(storage, MIB)).toBe(7);
  });

  it.each([4, 7])('in the state %d is refused where it is read', (state) => {
    const storage = create();
    storage.writeSync(Uint8Array.of(state), BAT_AT + 8);
    expect(readByte(storage, 0)).toBe(0);
    expect(() => readByte(storage, MIB)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'vhdx.block-state' }),
    );
  });
});

describe('the sector bitmap of a differencing disk', () => {
  const { bat, blocks } = VHDX_PLACES;
  const differencing = (bitmapPlace: bigint) => {
    const entries = Array.from({ length: 4097 }, () => 0n);
    entries[0] = BigInt(blocks) + 7n;
    entries[4096] = bitmapPlace + 6n;
    const disk = { sizeBytes: 3 * MIB, entries, blocks: 2, parentName: 'base.vhdx' };
    return new MemoryStorage(buildSmallVhdx(disk), 'image.vhdx');
  };
  const refusal = (storage: MemoryStorage) =>
    detailOf(() => open(storage, true, { followBacking: false }));

  it.each([
    ['at a block', BigInt(blocks), 'vhdx.overlap'],
    ['at the table', BigInt(bat), 'vhdx.overlap'],
    ['beyond the file', BigInt(blocks + 2 * MIB), 'vhdx.block-beyond-file'],
    ['nowhere', 2n ** 63n + BigInt(blocks), 'vhdx.block-beyond-file'],
  ])('keeps the disk from being written when it lies %s', (_, place, detail) => {
    const storage = differencing(place);
    const before = storage.bytes.slice();
    expect(refusal(storage)).toBe(detail);
    expect(Buffer.compare(storage.bytes, before)).toBe(0);
  });

  it.each([
    ['lies nowhere', 2n ** 63n + 6n, 'vhdx.block-beyond-file'],
    ['lies at another', BigInt(blocks) + 6n, 'vhdx.overlap'],
    ['is in no state', 4n, 'vhdx.block-state'],
  ])(
    'and a block behind the end of the disk that %s keep it from being written',
    (_, entry, detail) => {
      const storage = differencing(BigInt(blocks + MIB));
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, entry, true);
      storage.writeSync(bytes, bat + 7 * 8);
      expect(refusal(storage)).toBe(detail);
    },
  );

  it('is where no block comes to lie', () => {
    const storage = differencing(BigInt(blocks + MIB));
    const bitmap = storage.bytes.slice(blocks + MIB, blocks + 2 * MIB);
    const disk = open(storage, true, { followBacking: false });
    disk.writeSync(new Uint8Array(MIB).fill(9), 2 * MIB);
    disk.closeSync();
    expect(Buffer.compare(storage.bytes.slice(blocks + MIB, blocks + 2 * MIB), bitmap)).toBe(0);
  });
});
