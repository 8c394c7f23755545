/** One block of an xz stream (".xz file format", section 3): header, data, padding, check. */
import { alignUp, crc32, readU32le } from '@diskfile/bytes';
import { brokenXz, unsupportedXz } from './broken-xz.ts';
import type { FilterSpec } from './filter.ts';
import { decodeInPlace, makeFilters } from './filter-chain.ts';
import { Lzma2Decoder } from './lzma2.ts';
import { BlockCheck, checkLengthBytes, type XzCheck } from './xz-check.ts';

export const ALIGNMENT = 4;
const HAS_COMPRESSED_SIZE = 0x40;
const HAS_UNCOMPRESSED_SIZE = 0x80;
const RESERVED_FLAGS = 0x3c;
const FILTER_COUNT_MASK = 0x03;
const LZMA2_FILTER = 0x21;
const MAX_DICTIONARY_CODE = 40;
/** Numbers are up to nine groups of seven bits; seven of them is as far as they are exact. */
const MAX_NUMBER_BYTES = 9;

export interface BlockHeader {
  readonly lengthBytes: number;
  /** How far back matches reach. */
  readonly dictionaryBytes: number;
  /** What was done before LZMA2, in that order. */
  readonly filters: readonly FilterSpec[];
  readonly compressedBytes: number | undefined;
  readonly uncompressedBytes: number | undefined;
}

/** Where a block has ended, in the encoded bytes and in the decoded ones. */
export interface BlockEnd {
  readonly srcAt: number;
  readonly dstAt: number;
}

/** Decodes the block that begins at `start` to `dst` from `dstStart` on. */
export function decodeXzBlock(
  lzma2: Lzma2Decoder,
  check: XzCheck,
  src: Uint8Array,
  start: number,
  dst: Uint8Array,
  dstStart: number,
): BlockEnd {
  const header = parseBlockHeader(src, start);
  const dataAt = start + header.lengthBytes;
  lzma2.start(dataAt, dstStart);
  while (lzma2.decodeChunk(src, dst));
  const { srcAt: dataEnd, dstAt } = lzma2;
  requireLength(header.compressedBytes, dataEnd - dataAt);
  requireLength(header.uncompressedBytes, dstAt - dstStart);
  decodeInPlace(makeFilters(header.filters), dst.subarray(dstStart, dstAt));
  const checkAt = alignUp(dataEnd - start, ALIGNMENT) + start;
  requireZeros(src, dataEnd, checkAt);
  const content = new BlockCheck(check);
  content.update(dst.subarray(dstStart, dstAt));
  content.verify(src, checkAt);
  return { srcAt: checkAt + checkLengthBytes(check), dstAt };
}

export function requireLength(declared: number | undefined, actual: number): void {
  if (declared !== undefined && declared !== actual) {
    throw brokenXz('a block is not as long as it says');
  }
}

/** Section 3.1. The first byte says how long the header is; it is no block where that is zero. */
export function parseBlockHeader(src: Uint8Array, start: number): BlockHeader {
  const lengthBytes = (src[start] ?? 0) * ALIGNMENT + ALIGNMENT;
  const end = start + lengthBytes;
  if (lengthBytes === ALIGNMENT || end > src.length) throw brokenXz('a block has no whole header');
  const crcAt = end - 4;
  if (crc32(src.subarray(start, crcAt)) !== readU32le(src, crcAt)) {
    throw brokenXz('the checksum of a block header does not match');
  }
  const flags = src[start + 1]!;
  if ((flags & RESERVED_FLAGS) !== 0) throw unsupportedXz('has a block of an unknown kind');
  const fields = new HeaderFields(src, start + 2, crcAt);
  const compressedBytes = (flags & HAS_COMPRESSED_SIZE) === 0 ? undefined : fields.number();
  const uncompressedBytes = (flags & HAS_UNCOMPRESSED_SIZE) === 0 ? undefined : fields.number();
  const filters: FilterSpec[] = [];
  for (let count = flags & FILTER_COUNT_MASK; count > 0; count--) filters.push(readFilter(fields));
  const dictionaryBytes = dictionaryOf(readFilter(fields));
  requireZeros(src, fields.at, crcAt);
  return { lengthBytes, dictionaryBytes, filters, compressedBytes, uncompressedBytes };
}

/** Section 3.1.5, Filter Flags. */
function readFilter(fields: HeaderFields): FilterSpec {
  const id = fields.number();
  return { id, properties: fields.bytes(fields.number()) };
}

/** The last filter is LZMA2. Returns how large a dictionary it asks for (section 5.3.1). */
function dictionaryOf({ id, properties }: FilterSpec): number {
  if (id !== LZMA2_FILTER) throw unsupportedXz(`is not compressed by LZMA2 (0x${id.toString(16)})`);
  const code = properties.length === 1 ? properties[0]! : Number.NaN;
  if (!(code <= MAX_DICTIONARY_CODE)) {
    throw brokenXz('a filter has properties that it cannot have');
  }
  if (code === MAX_DICTIONARY_CODE) return 0xffff_ffff;
  return (2 + (code % 2)) * 2 ** (Math.floor(code / 2) + 11);
}

/** Reads the fields of a header, in which numbers take one byte or more (section 1.2). */
class HeaderFields {
  readonly #src: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(src: Uint8Array, start: number, end: number) {
    this.#src = src;
    this.#end = end;
    this.at = start;
  }

  byte(): number {
    if (this.at >= this.#end) throw brokenXz('the fields of a block header do not fit in it');
    return this.#src[this.at++]!;
  }

  bytes(lengthBytes: number): Uint8Array {
    const start = this.at;
    if (lengthBytes > this.#end - start) {
      throw brokenXz('the fields of a block header do not fit in it');
    }
    this.at += lengthBytes;
    return this.#src.slice(start, this.at);
  }

  number(): number {
    let value = 0;
    let unit = 1;
    for (let index = 0; index < MAX_NUMBER_BYTES; index++) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      unit *= 0x80;
      if (byte < 0x80) {
        const isLongerThanNeeded = byte === 0 && index > 0;
        if (isLongerThanNeeded || value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw brokenXz('a number in a block header is none');
  }
}

export function requireZeros(src: Uint8Array, from: number, to: number): void {
  if (to > src.length) throw brokenXz('it ends within a block');
  for (let at = from; at < to; at++) {
    if (src[at] !== 0) throw brokenXz('there is something where padding should be');
  }
}
