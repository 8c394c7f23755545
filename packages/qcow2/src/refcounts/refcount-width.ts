/** Refcounts of every width, 1 to 64 bits (specification, "Host cluster management"). */
import {
  bitField,
  powerOfTwo,
  readU16be,
  readU32be,
  readU64be,
  writeU16be,
  writeU32be,
  writeU64be,
} from '@diskfile/bytes';

/** Reads and writes the refcounts of a block by their place in it. */
export interface RefcountWidth {
  readonly bits: number;
  /** Largest count that fits, and that a number holds exactly. */
  readonly max: number;
  /** @throws DiskError `unsupported` for a count above 2^53 − 1. */
  get(block: Uint8Array, slot: number): number;
  set(block: Uint8Array, slot: number, count: number): void;
  isZero(block: Uint8Array, slot: number): boolean;
}

export function refcountWidth(bits: number): RefcountWidth {
  if (bits < 8) return narrow(bits);
  if (bits === 8) return wide(8, (block, at) => block[at]!, writeU8);
  if (bits === 16) return wide(16, readU16be, writeU16be);
  if (bits === 32) return wide(32, readU32be, writeU32be);
  return {
    ...wide(64, (block, at) => readU64be(block, at, 'a refcount'), writeU64be),
    isZero: (block, slot) =>
      readU32be(block, slot * 8) === 0 && readU32be(block, slot * 8 + 4) === 0,
  };
}

function writeU8(block: Uint8Array, at: number, count: number): void {
  block[at] = count;
}

function wide(
  bits: number,
  read: (block: Uint8Array, at: number) => number,
  write: (block: Uint8Array, at: number, count: number) => void,
): RefcountWidth {
  const bytes = bits / 8;
  return {
    bits,
    max: bits === 64 ? Number.MAX_SAFE_INTEGER : powerOfTwo(bits) - 1,
    get: (block, slot) => read(block, slot * bytes),
    set: (block, slot, count) => write(block, slot * bytes, count),
    isZero: (block, slot) => read(block, slot * bytes) === 0,
  };
}

/** Several to a byte, the first in its least significant bits. */
function narrow(bits: number): RefcountWidth {
  const perByte = 8 / bits;
  const get = (block: Uint8Array, slot: number): number =>
    bitField(block[Math.floor(slot / perByte)]!, (slot % perByte) * bits, bits);
  return {
    bits,
    max: powerOfTwo(bits) - 1,
    get,
    set(block, slot, count) {
      const unit = powerOfTwo((slot % perByte) * bits);
      block[Math.floor(slot / perByte)]! += (count - get(block, slot)) * unit;
    },
    isZero: (block, slot) => get(block, slot) === 0,
  };
}
