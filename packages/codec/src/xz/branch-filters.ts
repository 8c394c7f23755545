/**
 * Branches of machines whose instructions are aligned (".xz file format", section 5.3.2): their
 * targets, which were made absolute, are made relative again.
 */
import { readU32be, readU32le, writeU32be, writeU32le } from '@diskfile/bytes';
import type { Filter } from './filter.ts';

/** @param position where the instruction at `at` lies, modulo 2^32. @returns how far to go on */
type DecodeOne = (bytes: Uint8Array, at: number, position: number) => number;

export interface BranchKind {
  readonly alignment: number;
  /** Bytes that an instruction is decided by. */
  readonly lengthBytes: number;
  readonly decodeOne: DecodeOne;
}

export class BranchFilter implements Filter {
  readonly #kind: BranchKind;
  #position: number;

  constructor(kind: BranchKind, startOffset: number) {
    this.#kind = kind;
    this.#position = startOffset;
  }

  decode(bytes: Uint8Array): number {
    const { lengthBytes, decodeOne } = this.#kind;
    const end = bytes.length - lengthBytes;
    let at = 0;
    while (at <= end) at += decodeOne(bytes, at, ((this.#position + at) % 2 ** 32) | 0);
    this.#position += at;
    return at;
  }
}

interface WordOrder {
  readonly read: (bytes: Uint8Array, at: number) => number;
  readonly write: (bytes: Uint8Array, at: number, word: number) => void;
}

const BIG_ENDIAN: WordOrder = { read: readU32be, write: writeU32be };
const LITTLE_ENDIAN: WordOrder = { read: readU32le, write: writeU32le };

/** Instructions of a word each. @param decodeWord gives back as it is what is no branch */
function wordBranches(
  { read, write }: WordOrder,
  decodeWord: (word: number, position: number) => number,
): BranchKind {
  return {
    alignment: 4,
    lengthBytes: 4,
    decodeOne(bytes, at, position) {
      const word = read(bytes, at);
      const decoded = decodeWord(word, position);
      if (decoded !== word) write(bytes, at, decoded);
      return 4;
    },
  };
}

const powerPc = wordBranches(BIG_ENDIAN, (word, position) => {
  if ((word & 0xfc00_0003) >>> 0 !== 0x4800_0001) return word;
  return 0x4800_0001 | (((word & 0x03ff_fffc) - position) & 0x03ff_fffc);
});

const sparc = wordBranches(BIG_ENDIAN, (word, position) => {
  // A call whose upper bits all equal its sign.
  const upper = word >>> 22;
  if (upper !== 0x100 && upper !== 0x1ff) return word;
  const target = ((word << 2) - position) >>> 2;
  const sign = (target & 0x0040_0000) === 0 ? 0 : 0x3fc0_0000;
  return 0x4000_0000 | sign | (target & 0x003f_ffff);
});

const arm = wordBranches(LITTLE_ENDIAN, (word, position) => {
  if (word >>> 24 !== 0xeb) return word;
  const target = ((word << 2) - (position + 8)) >>> 2;
  return 0xeb00_0000 | (target & 0x00ff_ffff);
});

/** A long branch is a pair of halfwords. */
const armThumb: BranchKind = {
  alignment: 2,
  lengthBytes: 4,
  decodeOne(bytes, at, position) {
    const [high, low] = [bytes[at + 1]!, bytes[at + 3]!];
    if ((high & 0xf8) !== 0xf0 || (low & 0xf8) !== 0xf8) return 2;
    const halves = ((high & 7) << 19) | (bytes[at]! << 11) | ((low & 7) << 8) | bytes[at + 2]!;
    const target = ((halves << 1) - (position + 4)) >>> 1;
    bytes[at + 1] = 0xf0 | ((target >>> 19) & 7);
    bytes[at] = target >>> 11;
    bytes[at + 3] = 0xf8 | ((target >>> 8) & 7);
    bytes[at + 2] = target;
    return 4;
  },
};

const arm64 = wordBranches(LITTLE_ENDIAN, (word, position) => {
  if (word >>> 26 === 0x25) return 0x9400_0000 | ((word - (position >>> 2)) & 0x03ff_ffff);
  if ((word & 0x9f00_0000) >>> 0 !== 0x9000_0000) return word;
  const page = ((word >>> 29) & 3) | ((word >>> 3) & 0x001f_fffc);
  // Pages that are more than 512 MiB away are as they were.
  if (((page + 0x0002_0000) & 0x001c_0000) !== 0) return word;
  const target = page - (position >>> 12);
  const sign = (target & 0x0002_0000) === 0 ? 0 : 0x00e0_0000;
  return (word & 0x9000_001f) | ((target & 3) << 29) | ((target & 0x0003_fffc) << 3) | sign;
});

const BUNDLE_BYTES = 16;
/** By the template of a bundle: a bit for each of its three slots that may hold a branch. */
const BRANCH_SLOTS = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 6, 6, 0, 0, 7, 7, 4, 4, 0, 0, 4, 4, 0, 0,
] as const;
const SLOT_BITS = 41;

/** Three instructions of 41 bits behind a template of five. */
const ia64: BranchKind = {
  alignment: BUNDLE_BYTES,
  lengthBytes: BUNDLE_BYTES,
  decodeOne(bytes, at, position) {
    const slots = BRANCH_SLOTS[bytes[at]! & 0x1f]!;
    for (let slot = 0; slot < 3; slot++) {
      if ((slots >>> slot) & 1) decodeSlot(bytes, at, 5 + slot * SLOT_BITS, position);
    }
    return BUNDLE_BYTES;
  },
};

/** An instruction does not fit into 32 bits, so its fields are taken by their bits. */
function decodeSlot(bytes: Uint8Array, at: number, firstBit: number, position: number): void {
  const bits = (first: number, count: number): number => {
    let value = 0;
    for (let index = count - 1; index >= 0; index--) {
      const bit = firstBit + first + index;
      value = (value << 1) | ((bytes[at + (bit >>> 3)]! >>> (bit & 7)) & 1);
    }
    return value;
  };
  const setBits = (first: number, count: number, value: number): void => {
    for (let index = 0; index < count; index++) {
      const bit = firstBit + first + index;
      const mask = 1 << (bit & 7);
      const byte = bytes[at + (bit >>> 3)]!;
      bytes[at + (bit >>> 3)] = (value >>> index) & 1 ? byte | mask : byte & ~mask;
    }
  };
  // Opcode 5 is a relative call.
  if (bits(37, 4) !== 5 || bits(9, 3) !== 0) return;
  const bundles = bits(13, 20) | (bits(36, 1) << 20);
  const target = ((bundles << 4) - position) >>> 4;
  setBits(13, 20, target);
  setBits(36, 1, target >>> 20);
}

/** By the ids of the format. */
export const BRANCH_KINDS: ReadonlyMap<number, BranchKind> = new Map([
  [0x05, powerPc],
  [0x06, ia64],
  [0x07, arm],
  [0x08, armThumb],
  [0x09, sparc],
  [0x0a, arm64],
]);
