import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bitField,
  clearBits,
  DiskError,
  hasAnyBit,
  joinU64,
  maskBits,
  readU16be,
  readU16le,
  readU32be,
  readU32le,
  readU64be,
  readU64le,
  setBits,
  testBit,
  writeU16be,
  writeU16le,
  writeU32be,
  writeU32le,
  writeU64be,
  writeU64le,
  xorBits,
} from '../src/index.ts';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const exactU64 = fc.maxSafeNat();

/** The value as DataView reads it: another implementation of the same thing. */
function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

describe('integers', () => {
  it('reads what DataView reads, at any offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.nat(4), (bytes, at) => {
        const reference = view(bytes);
        expect(readU16be(bytes, at)).toBe(reference.getUint16(at));
        expect(readU16le(bytes, at)).toBe(reference.getUint16(at, true));
        expect(readU32be(bytes, at)).toBe(reference.getUint32(at));
        expect(readU32le(bytes, at)).toBe(reference.getUint32(at, true));
      }),
    );
  });

  it('writes what DataView reads', () => {
    fc.assert(
      fc.property(u16, u32, exactU64, fc.nat(4), (short, word, long, at) => {
        const bytes = new Uint8Array(12);
        const reference = view(bytes);
        writeU16be(bytes, at, short);
        expect(reference.getUint16(at)).toBe(short);
        writeU16le(bytes, at, short);
        expect(reference.getUint16(at, true)).toBe(short);
        writeU32be(bytes, at, word);
        expect(reference.getUint32(at)).toBe(word);
        writeU32le(bytes, at, word);
        expect(reference.getUint32(at, true)).toBe(word);
        writeU64be(bytes, at, long);
        expect(reference.getBigUint64(at)).toBe(BigInt(long));
        writeU64le(bytes, at, long);
        expect(reference.getBigUint64(at, true)).toBe(BigInt(long));
      }),
    );
  });

  it('reads 64-bit integers exactly or refuses them', () => {
    const anyU64 = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
    );
    fc.assert(
      fc.property(anyU64, (value) => {
        const bytes = new Uint8Array(8);
        view(bytes).setBigUint64(0, value);
        if (value <= BigInt(Number.MAX_SAFE_INTEGER)) {
          expect(readU64be(bytes, 0, 'field')).toBe(Number(value));
          expect(readU64le(bytes.toReversed(), 0, 'field')).toBe(Number(value));
        } else {
          expect(() => readU64be(bytes, 0, 'field')).toThrowError(DiskError);
          expect(() => readU64le(bytes.toReversed(), 0, 'field')).toThrowError(DiskError);
        }
      }),
    );
  });

  it('names the field that is too large', () => {
    const attempt = () => joinU64(0xffff_ffff, 0x0000_00ff, 'l1_table_offset');
    expect(attempt).toThrowError('l1_table_offset is 0xffffffff000000ff, above 2^53 - 1');
    expect(attempt).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'bytes.integer-above-2^53' }),
    );
  });
});

describe('bits', () => {
  it('works on unsigned 32-bit words', () => {
    fc.assert(
      fc.property(u32, u32, (a, b) => {
        const [x, y] = [BigInt(a), BigInt(b)];
        expect(maskBits(a, b)).toBe(Number(x & y));
        expect(setBits(a, b)).toBe(Number(x | y));
        expect(xorBits(a, b)).toBe(Number(x ^ y));
        expect(clearBits(a, b)).toBe(Number(x & ~y));
        expect(hasAnyBit(a, b)).toBe((x & y) !== 0n);
      }),
    );
  });

  it('takes fields out of a word', () => {
    fc.assert(
      fc.property(u32, fc.nat(31), fc.integer({ min: 1, max: 32 }), (word, shift, width) => {
        const expected = (BigInt(word) >> BigInt(shift)) & ((1n << BigInt(width)) - 1n);
        expect(bitField(word, shift, width)).toBe(Number(expected));
        expect(testBit(word, shift)).toBe(bitField(word, shift, 1) === 1);
      }),
    );
  });
});
