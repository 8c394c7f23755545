/**
 * The blocks of an xz file (".xz file format" 1.1.0), found from its end: footer and index of each
 * stream, the last one first.
 */
import { alignUp, countUpTo, crc32, DiskError, readU32le } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { UnitTable } from '../unit-table.ts';

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const FOOTER_MAGIC = [0x59, 0x5a];
export const STREAM_HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
/** Padding between streams, and what the fields of a stream are aligned to (section 2.2). */
const ALIGNMENT = 4;
const PADDING_READ_BYTES = 4096;
/** Nothing that is smaller holds an index. */
const MIN_INDEX_BYTES = 8;

export function isXz(head: Uint8Array): boolean {
  return MAGIC.every((byte, index) => head[index] === byte);
}

/** Blocks of one stream, its first one first. */
interface Stream {
  readonly start: number;
  readonly blocks: readonly Block[];
}

interface Block {
  /** With its header and its check, but not its padding. */
  readonly unpaddedBytes: number;
  readonly contentBytes: number;
}

export interface XzBlocks {
  readonly units: UnitTable;
  /** Where the stream begins that holds the block of an index. */
  streamStartOf(index: number): number;
  readonly streamCount: number;
}

/** @throws DiskError `corrupt`, `limit` */
export function* readBlocks(storage: Storage, limits: Limits): Step<XzBlocks> {
  const streams = yield* readStreams(storage, limits);
  const units = new UnitTable(limits);
  const firstUnits: number[] = [];
  for (const { start, blocks } of streams) {
    firstUnits.push(units.count);
    let hostOffset = start + STREAM_HEADER_BYTES;
    for (const { unpaddedBytes, contentBytes } of blocks) {
      const hostBytes = alignUp(unpaddedBytes, ALIGNMENT);
      units.add(hostOffset, hostBytes, contentBytes);
      hostOffset += hostBytes;
    }
  }
  return {
    units,
    streamStartOf: (index) => streams[countUpTo(firstUnits, index) - 1]!.start,
    streamCount: streams.length,
  };
}

function* readStreams(storage: Storage, limits: Limits): Step<Stream[]> {
  const streams: Stream[] = [];
  let indexBytes = 0;
  for (let end = storage.sizeBytes; end > 0;) {
    end = yield* skipPadding(storage, end);
    if (end === 0) break;
    const footerAt = end - FOOTER_BYTES;
    const backwardBytes = yield* readFooter(storage, footerAt);
    indexBytes += backwardBytes;
    if (indexBytes > limits.maxStructureBytes) throw tooLong(footerAt);
    const indexAt = footerAt - backwardBytes;
    if (indexAt < STREAM_HEADER_BYTES) throw broken('The index is longer than the file', footerAt);
    const blocks = parseIndex(yield* readBytes(storage, indexAt, backwardBytes), indexAt);
    const packedBytes = blocks.reduce((sum, each) => sum + alignUp(each.unpaddedBytes, 4), 0);
    const start = indexAt - packedBytes - STREAM_HEADER_BYTES;
    if (start < 0) throw broken('The blocks are longer than the file', indexAt);
    const header = yield* readBytes(storage, start, MAGIC.length);
    if (!isXz(header)) throw broken('No stream begins where the index puts it', start);
    streams.unshift({ start, blocks });
    end = start;
  }
  return streams;
}

/** Zeros between and behind streams, in fours. */
function* skipPadding(storage: Storage, from: number): Step<number> {
  let end = from;
  while (end > 0) {
    const lengthBytes = Math.min(PADDING_READ_BYTES, end);
    const bytes = yield* readBytes(storage, end - lengthBytes, lengthBytes);
    const last = bytes.findLastIndex((byte) => byte !== 0);
    if (last >= 0) {
      end -= lengthBytes - 1 - last;
      if ((from - end) % ALIGNMENT === 0) return end;
      throw broken('Something behind a stream is no padding', end);
    }
    end -= lengthBytes;
  }
  throw broken('The file holds nothing but zeros', 0);
}

/** Stream Footer, section 2.1.2. @returns how long the index before it is */
function* readFooter(storage: Storage, footerAt: number): Step<number> {
  if (footerAt < STREAM_HEADER_BYTES) throw broken('The file ends within a stream', 0);
  const footer = yield* readBytes(storage, footerAt, FOOTER_BYTES);
  const isWhole =
    FOOTER_MAGIC.every((byte, index) => footer[10 + index] === byte) &&
    crc32(footer.subarray(4, 10)) === readU32le(footer, 0);
  if (!isWhole) throw broken('The file does not end as a stream does', footerAt);
  return (readU32le(footer, 4) + 1) * ALIGNMENT;
}

/** Index, section 4. */
function parseIndex(bytes: Uint8Array, offset: number): Block[] {
  const crcAt = bytes.length - 4;
  const isIndex = bytes.length >= MIN_INDEX_BYTES && bytes[0] === 0;
  if (!isIndex || crc32(bytes.subarray(0, crcAt)) !== readU32le(bytes, crcAt)) {
    throw broken('The index does not fit its checksum', offset);
  }
  const numbers = new IndexNumbers(bytes.subarray(1, crcAt), offset);
  const count = numbers.next();
  const blocks: Block[] = [];
  // Each record takes two bytes at the least, so the count is bounded by the index's length.
  for (let index = 0; index < count; index++) {
    blocks.push({ unpaddedBytes: numbers.next(), contentBytes: numbers.next() });
  }
  numbers.end();
  return blocks;
}

/** Multibyte integers, section 1.2. */
class IndexNumbers {
  readonly #bytes: Uint8Array;
  readonly #offset: number;
  #at = 0;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  next(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw broken('The index ends within a record', this.#offset);
      value += (byte % 128) * unit;
      if (value > Number.MAX_SAFE_INTEGER) throw broken('A number is too large', this.#offset);
      if (byte < 128) return value;
    }
  }

  /** Up to three zeros follow. */
  end(): void {
    const rest = this.#bytes.subarray(this.#at);
    if (rest.length >= ALIGNMENT || rest.some((byte) => byte !== 0)) {
      throw broken('The index has something behind its records', this.#offset);
    }
  }
}

export function broken(message: string, offset: number): DiskError {
  return new DiskError('corrupt', 'xz.broken', message, {
    offset,
    hint: 'Copy or download the file anew; xz -t tells more.',
  });
}

function tooLong(offset: number): DiskError {
  return new DiskError('limit', 'xz.index', 'The index is longer than what is read whole', {
    offset,
    hint: 'Raise limits.maxStructureBytes if the file can be trusted.',
  });
}
