import { encodeName } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import { foldName } from '../src/directories/casefold.ts';
import { HASH_VERSION, hashName } from '../src/directories/name-hash.ts';

describe('hashes of names', () => {
  const hash = (name: string, version: number, unsignedBytes = false, seed = new Uint8Array(16)) =>
    hashName(encodeName(name), { version, unsignedBytes, seed });
  const { LEGACY, HALF_MD4, TEA } = HASH_VERSION;

  // What `dx_hash` of debugfs prints.
  it.each([
    ['a', 0xe74b53e2, 0xd5fa7d7a, 0x6d0ea4c0],
    ['hello', 0x32252546, 0x1746da32, 0x6f5bb1a8],
    ['x'.repeat(31), 0xa365191c, 0x415798c2, 0x85384aa4],
    ['y'.repeat(32), 0x71586034, 0x8036bd46, 0xc4e94f42],
    ['z'.repeat(33), 0x7851e27c, 0xb8a27f84, 0x54d31c78],
    ['näme-ü'.repeat(9), 0x2dbc5f1a, 0xf0153228, 0x30ad5fcc],
  ])('of %s equal those of e2fsprogs', (name, legacy, halfMd4, tea) => {
    expect(hash(name, LEGACY)).toBe(legacy);
    expect(hash(name, HALF_MD4)).toBe(halfMd4);
    expect(hash(name, TEA)).toBe(tea);
  });

  it('depend on the sign of bytes and on the seed', () => {
    expect(hash('ü', HALF_MD4, true)).not.toBe(hash('ü', HALF_MD4));
    expect(hash('u', HALF_MD4, true)).toBe(hash('u', HALF_MD4));
    const seed = Uint8Array.from({ length: 16 }, (_, n) => n);
    expect(hash('u', TEA, false, seed)).not.toBe(hash('u', TEA));
  });

  it('of unknown versions are not known', () => {
    expect(hash('a', 6)).toBeUndefined();
  });
});

describe('names without case', () => {
  it.each([
    ['README', 'readme'],
    ['STRAẞE', 'strasse'],
    ['Straße', 'STRASSE'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
    ['caf\u00e9', 'CAFE\u0301'],
    ['\ufb01le', 'FILE'],
    ['soft\u00adhyphen', 'SOFTHYPHEN'],
    ['\u212a', 'k'],
  ])('%s equals %s', (one, other) => {
    expect(foldName(one)).toBe(foldName(other));
  });

  it.each([
    ['a', 'ä'],
    ['ı', 'i'],
    ['I', 'ı'],
    ['ss', 's'],
  ])('%s does not equal %s', (one, other) => {
    expect(foldName(one)).not.toBe(foldName(other));
  });

  it('have no folded form when they are no UTF-8', () => {
    expect(foldName('bad-\udcff')).toBeUndefined();
  });
});
