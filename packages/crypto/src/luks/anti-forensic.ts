/**
 * The splitter that spreads a key over many sectors, so that losing any of them loses the key
 * (LUKS specification, section 2.4).
 */
import { writeU32be, xorInto } from '@diskfile/bytes';
import type { CryptoProvider, HashName } from '../provider.ts';
import { randomBytes } from '../random-bytes.ts';

export interface SplitOptions {
  readonly provider: CryptoProvider;
  readonly hash: HashName;
  readonly stripes: number;
}

/** Spreads `key` over `stripes` times its length. */
export function splitKey(key: Uint8Array, { stripes, ...hashing }: SplitOptions): Uint8Array {
  const material = randomBytes(key.length * stripes);
  const last = material.subarray(key.length * (stripes - 1));
  last.set(mixStripes(material, key.length, stripes, hashing));
  xorInto(last, key);
  return material;
}

export function mergeKey(material: Uint8Array, { stripes, ...hashing }: SplitOptions): Uint8Array {
  const keyBytes = material.length / stripes;
  const key = mixStripes(material, keyBytes, stripes, hashing);
  xorInto(key, material.subarray(keyBytes * (stripes - 1)));
  return key;
}

/** All stripes but the last, each mixed into what came before. */
function mixStripes(
  material: Uint8Array,
  keyBytes: number,
  stripes: number,
  hashing: Omit<SplitOptions, 'stripes'>,
): Uint8Array {
  const mixed = new Uint8Array(keyBytes);
  for (let stripe = 0; stripe < stripes - 1; stripe++) {
    xorInto(mixed, material.slice(stripe * keyBytes, (stripe + 1) * keyBytes));
    diffuse(mixed, hashing);
  }
  return mixed;
}

/** Each piece as long as a hash becomes the hash of its number and itself. */
function diffuse(bytes: Uint8Array, { provider, hash }: Omit<SplitOptions, 'stripes'>): void {
  const hashBytes = provider.hash(hash, new Uint8Array(0)).length;
  for (let at = 0, index = 0; at < bytes.length; at += hashBytes, index++) {
    const piece = bytes.subarray(at, at + hashBytes);
    const numbered = new Uint8Array(4 + piece.length);
    writeU32be(numbered, 0, index);
    numbered.set(piece, 4);
    piece.set(provider.hash(hash, numbered).subarray(0, piece.length));
  }
}
