/**
 * The hashes of directory names by which hashed directories are ordered ("Hash Tree Directories"):
 * a cut-down MD4 (RFC 1320), the TEA cipher, and ext3's first hash. Arithmetic is modulo 2^32.
 */
import { clearBits, maskBits, readU32le, xorBits } from '@diskfile/bytes';

/** `hash_version` of the tree's root. */
export const HASH_VERSION = { LEGACY: 0, HALF_MD4: 1, TEA: 2 } as const;

const TWO_32 = 2 ** 32;
/** What the state starts from when the superblock has no seed: the constants of MD4. */
const DEFAULT_STATE = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476] as const;
const MD4_ROUND_2 = 0x5a82_7999;
const MD4_ROUND_3 = 0x6ed9_eba1;
const TEA_DELTA = 0x9e37_79b9;
/** Hashes above this mark the end of a directory for readers over a network. */
const MAX_HASH = 0xffff_fffc;

type State = [number, number, number, number];

/** How names are hashed in one filesystem and directory. */
export interface NameHashing {
  readonly version: number;
  /** Whether bytes above 127 count as positive; which one depends on who made the filesystem. */
  readonly unsignedBytes: boolean;
  /** `s_hash_seed`; all zeros for none. */
  readonly seed: Uint8Array;
}

/** The major hash of a name, its lowest bit clear; undefined for an unknown version. */
export function hashName(name: Uint8Array, hashing: NameHashing): number | undefined {
  const hash = rawHash(name, hashing);
  if (hash === undefined) return undefined;
  return Math.min(clearBits(hash, 1), MAX_HASH);
}

function rawHash(name: Uint8Array, { version, unsignedBytes, seed }: NameHashing) {
  if (version === HASH_VERSION.LEGACY) return legacyHash(name, unsignedBytes);
  const state = startState(seed);
  if (version === HASH_VERSION.HALF_MD4) {
    for (let at = 0; at < name.length; at += 32) {
      halfMd4(state, packWords(name.subarray(at), 8, unsignedBytes));
    }
    return state[1];
  }
  if (version !== HASH_VERSION.TEA) return undefined;
  for (let at = 0; at < name.length; at += 16) {
    tea(state, packWords(name.subarray(at), 4, unsignedBytes));
  }
  return state[0];
}

function startState(seed: Uint8Array): State {
  const words: State = [
    readU32le(seed, 0),
    readU32le(seed, 4),
    readU32le(seed, 8),
    readU32le(seed, 12),
  ];
  return words.every((word) => word === 0) ? [...DEFAULT_STATE] : words;
}

function byteValue(byte: number, unsigned: boolean): number {
  return unsigned || byte < 0x80 ? byte : byte - 0x100;
}

/** The next bytes of a name as big-endian words, filled up with the number of bytes left. */
function packWords(rest: Uint8Array, count: number, unsigned: boolean): number[] {
  const low = maskBits(rest.length, 0xff);
  const padding = low * 0x0101_0101;
  const words: number[] = [];
  for (let index = 0; index < count; index++) {
    let word = padding;
    for (let at = index * 4; at < Math.min(index * 4 + 4, rest.length); at++) {
      word = modulo(word * 256 + byteValue(rest[at]!, unsigned));
    }
    words.push(word);
  }
  return words;
}

function halfMd4(state: State, words: readonly number[]): void {
  const work: State = [...state];
  const round = (
    mix: (x: number, y: number, z: number) => number,
    order: readonly number[],
    shifts: readonly number[],
    constant: number,
  ) => {
    order.forEach((word, step) => {
      const [a, b, c, d] = work;
      const sum = modulo(a + mix(b, c, d) + words[word]! + constant);
      // The four parts take turns.
      work[0] = d;
      work[1] = rotateLeft(sum, shifts[step % 4]!);
      work[2] = b;
      work[3] = c;
    });
  };
  round(choose, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19], 0);
  round(majority, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13], MD4_ROUND_2);
  round(parity, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15], MD4_ROUND_3);
  for (let part = 0; part < 4; part++) state[part] = modulo(state[part]! + work[part]!);
}

function choose(x: number, y: number, z: number): number {
  return xorBits(z, maskBits(x, xorBits(y, z)));
}

function majority(x: number, y: number, z: number): number {
  return maskBits(x, y) + maskBits(xorBits(x, y), z);
}

function parity(x: number, y: number, z: number): number {
  return xorBits(xorBits(x, y), z);
}

function tea(state: State, key: readonly number[]): void {
  let [left, right] = state;
  let sum = 0;
  for (let cycle = 0; cycle < 16; cycle++) {
    sum = modulo(sum + TEA_DELTA);
    left = modulo(left + teaMix(right, sum, key[0]!, key[1]!));
    right = modulo(right + teaMix(left, sum, key[2]!, key[3]!));
  }
  state[0] = modulo(state[0] + left);
  state[1] = modulo(state[1] + right);
}

function teaMix(half: number, sum: number, first: number, second: number): number {
  const shifted = xorBits(modulo(half * 16 + first), modulo(half + sum));
  return xorBits(shifted, modulo(Math.floor(half / 32) + second));
}

function legacyHash(name: Uint8Array, unsigned: boolean): number {
  let current = 0x12a3_fe2d;
  let previous = 0x37ab_e8f9;
  for (const byte of name) {
    const product = modulo(byteValue(byte, unsigned) * 7_152_373);
    let next = modulo(previous + xorBits(current, product));
    if (next >= 2 ** 31) next -= 0x7fff_ffff;
    previous = current;
    current = next;
  }
  return modulo(current * 2);
}

/** The remainder in 0 … 2^32 − 1, for negative numbers as well. */
function modulo(value: number): number {
  const rest = value % TWO_32;
  return rest < 0 ? rest + TWO_32 : rest;
}

function rotateLeft(value: number, count: number): number {
  return modulo(value * 2 ** count) + Math.floor(value / 2 ** (32 - count));
}
