/**
 * Headers of compressed LZFSE blocks: version 1, with everything in fields of its own, and version
 * 2, with the same packed. Names are those of Apple's reference implementation.
 */
import { readU16le, readU32le } from '@diskfile/bytes';
import { brokenLzfse } from './broken-lzfse.ts';

export const L_SYMBOLS = 20;
export const M_SYMBOLS = 20;
export const D_SYMBOLS = 64;
export const LITERAL_SYMBOLS = 256;
export const L_STATES = 64;
export const M_STATES = 64;
export const D_STATES = 256;
export const LITERAL_STATES = 1024;
export const LITERAL_STREAMS = 4;
export const MAX_LITERALS = 40_000;
export const MAX_MATCHES = 10_000;

const SYMBOLS = L_SYMBOLS + M_SYMBOLS + D_SYMBOLS + LITERAL_SYMBOLS;
const V1_FREQUENCIES_AT = 50;
const V1_HEADER_BYTES = 772;
const V2_FREQUENCIES_AT = 32;
/** With the longest code for every frequency. */
const V2_MAX_HEADER_BYTES = V2_FREQUENCIES_AT + Math.ceil((SYMBOLS * 14) / 8);

export interface BlockHeader {
  readonly headerBytes: number;
  readonly rawBytes: number;
  readonly literalCount: number;
  readonly literalPayloadBytes: number;
  /** Bits at the top of the payload's last byte that are not used. */
  readonly literalUnusedBits: number;
  readonly literalStates: readonly number[];
  readonly matchCount: number;
  readonly lmdPayloadBytes: number;
  readonly lmdUnusedBits: number;
  readonly lState: number;
  readonly mState: number;
  readonly dState: number;
  readonly frequencies: Frequencies;
}

/** How many states each symbol has. */
export interface Frequencies {
  readonly l: Uint16Array;
  readonly m: Uint16Array;
  readonly d: Uint16Array;
  readonly literal: Uint16Array;
}

/** `lzfse_compressed_block_header_v1` at `start`. */
export function parseHeaderV1(src: Uint8Array, start: number): BlockHeader {
  if (start + V1_HEADER_BYTES > src.length) throw brokenLzfse('it ends within a header');
  const u32 = (at: number) => readU32le(src, start + at);
  const u16 = (at: number) => readU16le(src, start + at);
  const all = Uint16Array.from({ length: SYMBOLS }, (_, index) =>
    u16(V1_FREQUENCIES_AT + index * 2),
  );
  const header = {
    headerBytes: V1_HEADER_BYTES,
    rawBytes: u32(4),
    literalCount: u32(12),
    matchCount: u32(16),
    literalPayloadBytes: u32(20),
    lmdPayloadBytes: u32(24),
    literalUnusedBits: -u32(28) >>> 0,
    literalStates: [u16(32), u16(34), u16(36), u16(38)],
    lmdUnusedBits: -u32(40) >>> 0,
    lState: u16(44),
    mState: u16(46),
    dState: u16(48),
    frequencies: splitFrequencies(all),
  };
  if (u32(8) !== header.literalPayloadBytes + header.lmdPayloadBytes) {
    throw brokenLzfse('the lengths of payloads do not add up');
  }
  return checked(header);
}

/** `lzfse_compressed_block_header_v2` at `start`: its `packed_fields` are three 64-bit numbers. */
export function parseHeaderV2(src: Uint8Array, start: number): BlockHeader {
  if (start + V2_FREQUENCIES_AT > src.length) throw brokenLzfse('it ends within a header');
  const field = (index: number, shift: number, width: number) =>
    packedField(src, start + 8 + index * 8, shift, width);
  const headerBytes = field(2, 0, 32);
  const end = start + headerBytes;
  if (headerBytes < V2_FREQUENCIES_AT || headerBytes > V2_MAX_HEADER_BYTES || end > src.length) {
    throw brokenLzfse('a header has an impossible length');
  }
  return checked({
    headerBytes,
    rawBytes: readU32le(src, start + 4),
    literalCount: field(0, 0, 20),
    literalPayloadBytes: field(0, 20, 20),
    matchCount: field(0, 40, 20),
    literalUnusedBits: 7 - field(0, 60, 3),
    literalStates: [field(1, 0, 10), field(1, 10, 10), field(1, 20, 10), field(1, 30, 10)],
    lmdPayloadBytes: field(1, 40, 20),
    lmdUnusedBits: 7 - field(1, 60, 3),
    lState: field(2, 32, 10),
    mState: field(2, 42, 10),
    dState: field(2, 52, 10),
    frequencies: splitFrequencies(unpackFrequencies(src, start + V2_FREQUENCIES_AT, end)),
  });
}

/** `width` bits, 32 at most, of the 64-bit number at `at`. */
function packedField(src: Uint8Array, at: number, shift: number, width: number): number {
  const low = readU32le(src, at);
  const high = readU32le(src, at + 4);
  if (width === 32) return low;
  const shifted = shift >= 32 ? high >>> (shift - 32) : (low >>> shift) | straddle(high, shift);
  return shifted & ((1 << width) - 1);
}

function straddle(high: number, shift: number): number {
  return shift === 0 ? 0 : high << (32 - shift);
}

/** Codes of frequencies by their lowest five bits: how long they are. */
const CODE_BITS = [2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14] as const;
/** What the short ones stand for; of 5 bits, the topmost one and bit 3 say which of four. */
const SHORT_VALUES = [0, 2, 1, 4, 0, 3, 1] as const;
const MEDIUM_BASE = 8;
const LONG_BASE = 24;

function unpackFrequencies(src: Uint8Array, start: number, end: number): Uint16Array {
  const values = new Uint16Array(SYMBOLS);
  let at = start;
  let held = 0;
  let count = 0;
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    while (count < 14 && at < end) {
      held |= src[at++]! << count;
      count += 8;
    }
    const bits = CODE_BITS[held & 15]!;
    if (bits > count) throw brokenLzfse('a header is too short for its frequencies');
    values[symbol] = frequencyOf(held, bits);
    held >>>= bits;
    count -= bits;
  }
  if (at !== end || count >= 8) throw brokenLzfse('a header is too long for its frequencies');
  return values;
}

function frequencyOf(code: number, bits: number): number {
  if (bits === 14) return LONG_BASE + ((code >>> 4) & 0x3ff);
  if (bits === 8) return MEDIUM_BASE + ((code >>> 4) & 0xf);
  if (bits === 5) return 4 + ((code >>> 3) & 3);
  return SHORT_VALUES[code & 7]!;
}

function splitFrequencies(all: Uint16Array): Frequencies {
  const dAt = L_SYMBOLS + M_SYMBOLS;
  const literalAt = dAt + D_SYMBOLS;
  return {
    l: all.subarray(0, L_SYMBOLS),
    m: all.subarray(L_SYMBOLS, dAt),
    d: all.subarray(dAt, literalAt),
    literal: all.subarray(literalAt),
  };
}

function checked(header: BlockHeader): BlockHeader {
  const isSound =
    header.literalCount <= MAX_LITERALS &&
    header.literalCount % LITERAL_STREAMS === 0 &&
    header.matchCount <= MAX_MATCHES &&
    header.literalUnusedBits <= 7 &&
    header.lmdUnusedBits <= 7 &&
    header.literalStates.every((state) => state < LITERAL_STATES) &&
    header.lState < L_STATES &&
    header.mState < M_STATES &&
    header.dState < D_STATES;
  if (!isSound) throw brokenLzfse('a header has impossible values');
  return header;
}
