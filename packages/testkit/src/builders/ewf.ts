/**
 * Makes EWF images (EnCase and SMART), written from the format's description alone. Shares no code
 * with the reader but the checksum.
 */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { adler32 } from '@diskfile/bytes';

const FILE_HEADER_BYTES = 13;
const DESCRIPTOR_BYTES = 76;
const TABLE_HEADER_BYTES = 24;
const VOLUME_BYTES = 1052;
const SMART_VOLUME_BYTES = 94;
const SECTOR_BYTES = 512;
const SIGNATURE = Buffer.from('EVF\x09\x0d\x0a\xff\0', 'latin1');

export interface EwfSpec {
  readonly content: Uint8Array;
  readonly kind?: 'encase' | 'smart';
  readonly sectorsPerChunk?: number;
  /** Whether the chunk of a number is compressed; every other one by default. */
  readonly isCompressed?: (chunk: number) => boolean;
  readonly chunksPerTable?: number;
  readonly tablesPerSegment?: number;
  /** Where entries count from; otherwise the file's start. */
  readonly usesBaseOffset?: boolean;
  /** Further sections of the first segment, before the volume. */
  readonly notes?: readonly { readonly type: string; readonly data: Uint8Array }[];
  /** In place of what would be right. */
  readonly md5?: Uint8Array;
}

/** The segment files, in order. */
export function buildEwf(spec: EwfSpec): Buffer[] {
  const { content, kind = 'encase', sectorsPerChunk = 8 } = spec;
  const { chunksPerTable = 5, tablesPerSegment = 2 } = spec;
  const chunks = cut(content, sectorsPerChunk * SECTOR_BYTES);
  const tables = cut(chunks, chunksPerTable);
  const segments = cut(tables, tablesPerSegment);
  return segments.map((tablesHere, index) => {
    const file = new SegmentFile(index + 1);
    if (index === 0) {
      for (const { type, data } of spec.notes ?? []) file.section(type, data);
      file.section('volume', kind === 'smart' ? smartVolume(spec, chunks) : volume(spec, chunks));
    } else if (kind === 'encase') file.section('data', volume(spec, chunks));
    for (const [at, table] of tablesHere.entries()) {
      const first = (index * tablesPerSegment + at) * chunksPerTable;
      if (kind === 'smart') file.smartTable(table, first, spec);
      else file.encaseTable(table, first, spec);
    }
    const isLast = index === segments.length - 1;
    if (isLast) file.section('hash', hash(spec));
    file.section(isLast ? 'done' : 'next', Buffer.alloc(0));
    return Buffer.concat(file.pieces);
  });
}

function cut<T extends { length: number; slice(from: number, to: number): T }>(
  whole: T,
  length: number,
): T[] {
  const parts: T[] = [];
  for (let at = 0; at < whole.length; at += length) parts.push(whole.slice(at, at + length));
  return parts.length === 0 ? [whole] : parts;
}

function withChecksum(struct: Buffer): Buffer {
  struct.writeUInt32LE(adler32(struct.subarray(0, -4)), struct.length - 4);
  return struct;
}

function volume({ content, sectorsPerChunk = 8 }: EwfSpec, chunks: Uint8Array[]): Buffer {
  const struct = Buffer.alloc(VOLUME_BYTES);
  struct[0] = 1;
  struct.writeUInt32LE(chunks.length, 4);
  struct.writeUInt32LE(sectorsPerChunk, 8);
  struct.writeUInt32LE(SECTOR_BYTES, 12);
  struct.writeBigUInt64LE(BigInt(content.length / SECTOR_BYTES), 16);
  struct[52] = 1;
  struct.fill(0x5a, 64, 80);
  return withChecksum(struct);
}

function smartVolume({ content, sectorsPerChunk = 8 }: EwfSpec, chunks: Uint8Array[]): Buffer {
  const struct = Buffer.alloc(SMART_VOLUME_BYTES);
  struct.writeUInt32LE(1, 0);
  struct.writeUInt32LE(chunks.length, 4);
  struct.writeUInt32LE(sectorsPerChunk, 8);
  struct.writeUInt32LE(SECTOR_BYTES, 12);
  struct.writeUInt32LE(content.length / SECTOR_BYTES, 16);
  struct.write('SMART', 85, 'latin1');
  return withChecksum(struct);
}

function hash({ content, md5 }: EwfSpec): Buffer {
  const struct = Buffer.alloc(36);
  struct.set(md5 ?? createHash('md5').update(content).digest());
  return withChecksum(struct);
}

class SegmentFile {
  readonly pieces: Buffer[];
  #end = FILE_HEADER_BYTES;

  constructor(number: number) {
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    SIGNATURE.copy(header);
    header[8] = 1;
    header.writeUInt16LE(number, 9);
    this.pieces = [header];
  }

  section(type: string, data: Uint8Array): void {
    const descriptor = Buffer.alloc(DESCRIPTOR_BYTES);
    descriptor.write(type, 0, 'latin1');
    const lengthBytes = DESCRIPTOR_BYTES + data.length;
    const isLast = type === 'next' || type === 'done';
    descriptor.writeBigUInt64LE(BigInt(this.#end + (isLast ? 0 : lengthBytes)), 16);
    descriptor.writeBigUInt64LE(BigInt(isLast ? 0 : lengthBytes), 24);
    this.pieces.push(withChecksum(descriptor), Buffer.from(data));
    this.#end += lengthBytes;
  }

  encaseTable(chunks: Uint8Array[], first: number, spec: EwfSpec): void {
    const base = spec.usesBaseOffset === true ? this.#end : 0;
    const { entries, data } = encodeChunks(
      chunks,
      first,
      spec,
      this.#end + DESCRIPTOR_BYTES - base,
    );
    this.section('sectors', data);
    const table = Buffer.concat([tableHeader(chunks.length, base), entries, sumOf(entries)]);
    this.section('table', table);
    this.section('table2', table);
  }

  /** Entries without a checksum, and the chunks right behind them. */
  smartTable(chunks: Uint8Array[], first: number, spec: EwfSpec): void {
    const dataOffset = this.#end + DESCRIPTOR_BYTES + TABLE_HEADER_BYTES + chunks.length * 4;
    const { entries, data } = encodeChunks(chunks, first, spec, dataOffset);
    this.section('table', Buffer.concat([tableHeader(chunks.length, 0), entries, data]));
  }
}

function encodeChunks(chunks: Uint8Array[], first: number, spec: EwfSpec, startOffset: number) {
  const { isCompressed = (chunk) => chunk % 2 === 0 } = spec;
  const entries = Buffer.alloc(chunks.length * 4);
  const data: Buffer[] = [];
  let offset = startOffset;
  for (const [index, chunk] of chunks.entries()) {
    const compressed = isCompressed(first + index);
    const encoded = compressed ? deflateSync(chunk) : Buffer.concat([chunk, sumOf(chunk)]);
    entries.writeUInt32LE(offset + (compressed ? 2 ** 31 : 0), index * 4);
    data.push(encoded);
    offset += encoded.length;
  }
  return { entries, data: Buffer.concat(data) };
}

function tableHeader(count: number, base: number): Buffer {
  const header = Buffer.alloc(TABLE_HEADER_BYTES);
  header.writeUInt32LE(count, 0);
  header.writeBigUInt64LE(BigInt(base), 8);
  return withChecksum(header);
}

function sumOf(bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(adler32(bytes));
  return sum;
}

export interface EwfSection {
  readonly type: string;
  readonly offset: number;
  readonly dataOffset: number;
  readonly end: number;
}

/** The sections of a segment file, as far as they can be followed. */
export function listEwfSections(bytes: Uint8Array): EwfSection[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const sections: EwfSection[] = [];
  for (let offset = FILE_HEADER_BYTES; offset + DESCRIPTOR_BYTES <= buffer.length;) {
    const type = buffer.toString('latin1', offset, offset + 16).replace(/\0.*$/s, '');
    const dataOffset = offset + DESCRIPTOR_BYTES;
    const next = Number(buffer.readBigUInt64LE(offset + 16));
    const isLast = next <= offset || next > buffer.length || type === 'next' || type === 'done';
    sections.push({ type, offset, dataOffset, end: isLast ? dataOffset : next });
    if (isLast) break;
    offset = next;
  }
  return sections;
}

const STRUCT_BYTES: Readonly<Record<string, number>> = {
  volume: VOLUME_BYTES,
  disk: VOLUME_BYTES,
  data: VOLUME_BYTES,
  table: TABLE_HEADER_BYTES,
  table2: TABLE_HEADER_BYTES,
  hash: 36,
  digest: 80,
  error2: 520,
};

/** Makes the checksums of descriptors, structs and table entries fit what they are over. */
export function repairEwfChecksums(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const { type, offset, dataOffset, end } of listEwfSections(bytes)) {
    withChecksum(buffer.subarray(offset, dataOffset));
    const isSmart = end - dataOffset === SMART_VOLUME_BYTES;
    const structBytes = isSmart ? SMART_VOLUME_BYTES : STRUCT_BYTES[type];
    if (structBytes === undefined || dataOffset + structBytes > buffer.length) continue;
    withChecksum(buffer.subarray(dataOffset, dataOffset + structBytes));
    if (!type.startsWith('table')) continue;
    const entriesAt = dataOffset + structBytes;
    const sumAt = entriesAt + buffer.readUInt32LE(dataOffset) * 4;
    if (sumAt + 4 > buffer.length || sumAt + 4 > end) continue;
    // A SMART table has no sum there but its first chunk; two bytes of that look like zlib.
    if (buffer[sumAt] === 0x78 && sumAt + 4 < end) continue;
    sumOf(buffer.subarray(entriesAt, sumAt)).copy(buffer, sumAt);
  }
}
