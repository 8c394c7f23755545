import { crc32 as zlibCrc32, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adler32,
  crc16Raw,
  crc32,
  crc32BigEndianRaw,
  crc32c,
  crc32cRaw,
  crc64,
  readU32be,
  readU32le,
  xxh32,
  Xxh32,
  xxh64Low,
} from '../src/index.ts';

const encoder = new TextEncoder();
const CHECK = encoder.encode('123456789');

/** CRC-32 as the gzip trailer holds it; `zlib.crc32` itself is younger than Node 20. */
function referenceCrc32(bytes: Uint8Array): number {
  if (zlibCrc32 !== undefined) return zlibCrc32(bytes);
  const zipped = gzipSync(bytes);
  return readU32le(zipped, zipped.length - 8);
}

/** One bit at a time, straight from the definition. */
function bitwiseCrc(bytes: Uint8Array, polynomial: number, register: number): number {
  let crc = register;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return crc >>> 0;
}

describe('checksums', () => {
  // Check values of the catalogue of parametrised CRC algorithms: the CRC of "123456789".
  it('matches the published check values', () => {
    expect(crc32(CHECK)).toBe(0xcbf4_3926);
    expect(crc32c(CHECK)).toBe(0xe306_9283);
    expect(crc16Raw(CHECK, 0)).toBe(0xbb3d); // CRC-16/ARC
    expect(crc16Raw(CHECK, 0xffff)).toBe(0x4b37); // CRC-16/MODBUS
    expect(~crc32BigEndianRaw(CHECK, 0xffff_ffff) >>> 0).toBe(0xfc89_1918); // CRC-32/BZIP2
    expect(crc64(CHECK)).toEqual({ high: 0x995d_c9bb, low: 0xdf19_39fa }); // CRC-64/XZ
  });

  // RFC 3720, appendix B.4.
  it('matches the iSCSI vectors of CRC-32C', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
    expect(crc32c(ascending)).toBe(0x46dd_794e);
    expect(crc32c(ascending.toReversed())).toBe(0x113f_db5c);
  });

  it('matches zlib and the bitwise definition at every length and alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(7), (content, skip) => {
        const bytes = content.subarray(Math.min(skip, content.length));
        expect(crc32(bytes)).toBe(referenceCrc32(bytes));
        expect(crc32cRaw(bytes, 0xffff_ffff)).toBe(bitwiseCrc(bytes, 0x82f6_3b78, 0xffff_ffff));
        expect(crc16Raw(bytes, 0x1234)).toBe(bitwiseCrc(bytes, 0xa001, 0x1234));
      }),
    );
  });

  it('chains: the register after two pieces is that after the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(50), (bytes, cut) => {
        const [head, tail] = [bytes.subarray(0, cut), bytes.subarray(cut)];
        expect(crc32cRaw(tail, crc32cRaw(head, 7))).toBe(crc32cRaw(bytes, 7));
        expect(crc16Raw(tail, crc16Raw(head, 7))).toBe(crc16Raw(bytes, 7));
        expect(crc32BigEndianRaw(tail, crc32BigEndianRaw(head, 7))).toBe(
          crc32BigEndianRaw(bytes, 7),
        );
      }),
    );
  });

  it('computes Adler-32 as it ends a zlib stream', () => {
    expect(adler32(CHECK)).toBe(0x091e_01de);
    for (const length of [0, 1, 5552, 5553, 200_000]) {
      for (const fill of [0, 1, 255]) {
        const bytes = new Uint8Array(length).fill(fill);
        const stream = deflateSync(bytes);
        expect(adler32(bytes)).toBe(readU32be(stream, stream.length - 4));
      }
    }
  });

  // Of the empty input and of CHECK, as the specification's own program prints them.
  it('computes xxHash, at once and in pieces', () => {
    expect([xxh32(new Uint8Array(0)), xxh32(CHECK)]).toEqual([0x02cc_5d05, 0x937b_ad67]);
    expect([xxh64Low(new Uint8Array(0)), xxh64Low(CHECK)]).toEqual([0x51d8_e999, 0x40e6_ae83]);
    const bytes = Uint8Array.from({ length: 1000 }, (_, at) => (at * at) % 251);
    for (const length of [1, 7, 16, 33, 999]) {
      const hash = new Xxh32();
      for (let at = 0; at < bytes.length; at += length)
        hash.update(bytes.subarray(at, at + length));
      expect(hash.digest()).toBe(xxh32(bytes));
    }
  });
});
