import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blob,
  DiskError,
  i32be,
  i32le,
  struct,
  toHex,
  u8,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
} from '../src/index.ts';

const every = struct('Every', {
  byte: u8,
  shortBe: u16be,
  shortLe: u16le,
  wordBe: u32be,
  wordLe: u32le,
  signedBe: i32be,
  signedLe: i32le,
  longBe: u64be,
  longLe: u64le,
  tag: blob(5),
});

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const value = fc.record({
  byte: fc.nat(255),
  shortBe: u16,
  shortLe: u16,
  wordBe: u32,
  wordLe: u32,
  signedBe: i32,
  signedLe: i32,
  longBe: fc.maxSafeNat(),
  longLe: fc.maxSafeNat(),
  tag: fc.uint8Array({ minLength: 5, maxLength: 5 }),
});

describe('struct', () => {
  it('decodes what it encoded, at any offset and without touching what lies around', () => {
    fc.assert(
      fc.property(value, fc.nat(7), (fields, at) => {
        const bytes = new Uint8Array(every.spanBytes + 16).fill(0xee);
        every.encode(fields, bytes, at);
        expect(every.decode(bytes, at)).toEqual(fields);
        expect(bytes.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
        expect(bytes.subarray(at + every.spanBytes).every((byte) => byte === 0xee)).toBe(true);
      }),
    );
  });

  it('lays fields out one after another in the stated byte order', () => {
    const header = struct('Header', { magic: u32be, version: u16le, size: u64be, flags: i32le });
    const bytes = new Uint8Array(header.spanBytes);
    header.encode({ magic: 0x514649fb, version: 3, size: 2 ** 40 + 5, flags: -2 }, bytes);
    expect(toHex(bytes)).toBe(['514649fb', '0300', '0000010000000005', 'feffffff'].join(''));
    expect(header.offsetOf('size')).toBe(6);
    expect(header.spanBytes).toBe(18);
  });

  it('copies blobs', () => {
    const bytes = new Uint8Array(every.spanBytes);
    const { tag } = every.decode(bytes);
    bytes.fill(1);
    expect([...tag]).toEqual([0, 0, 0, 0, 0]);
  });

  it('refuses fewer bytes than it spans', () => {
    fc.assert(
      fc.property(fc.nat(every.spanBytes - 1), fc.nat(40), (there, at) => {
        const attempt = () => every.decode(new Uint8Array(at + there), at);
        expect(attempt).toThrowError(`Every needs ${every.spanBytes} bytes, ${there} are there`);
        expect(attempt).toThrowError(
          expect.objectContaining({ code: 'corrupt', detail: 'bytes.struct-truncated' }),
        );
      }),
    );
    expect(() => every.decode(new Uint8Array(3), 100)).toThrowError(DiskError);
  });

  it('refuses a 64-bit field above 2^53 - 1 and names it', () => {
    const bytes = new Uint8Array(every.spanBytes);
    bytes[every.offsetOf('longBe')] = 0x80;
    expect(() => every.decode(bytes)).toThrowError(/^longBe is 0x8000000000000000/);
  });
});
