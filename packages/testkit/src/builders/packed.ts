/** Makes packed files of kinds that genuine tools rarely make. Shares nothing with the readers. */
import { xxh32 } from '@diskfile/bytes';

/** A frame of zstd, or several, and the content that they stand for. */
export interface SeekableFrame {
  readonly bytes: Uint8Array;
  readonly contentBytes: number;
  readonly checksum?: number;
}

const SKIPPABLE_MAGIC = 0x184d_2a5e;
const SEEKABLE_MAGIC = 0x8f92_eab1;

/** Frames and their seek table (Zstandard Seekable Format). */
export function buildSeekableZstd(frames: readonly SeekableFrame[]): Buffer {
  const hasChecksums = frames.every(({ checksum }) => checksum !== undefined);
  const entryBytes = hasChecksums ? 12 : 8;
  const table = Buffer.alloc(8 + frames.length * entryBytes + 9);
  table.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  table.writeUInt32LE(table.length - 8, 4);
  for (const [index, { bytes, contentBytes, checksum }] of frames.entries()) {
    const at = 8 + index * entryBytes;
    table.writeUInt32LE(bytes.length, at);
    table.writeUInt32LE(contentBytes, at + 4);
    if (hasChecksums) table.writeUInt32LE(checksum!, at + 8);
  }
  const footer = table.length - 9;
  table.writeUInt32LE(frames.length, footer);
  table[footer + 4] = hasChecksums ? 0x80 : 0;
  table.writeUInt32LE(SEEKABLE_MAGIC, footer + 5);
  return Buffer.concat([...frames.map(({ bytes }) => bytes), table]);
}

export interface Lz4Spec {
  /** 4 to 7: blocks of 64 KiB, 256 KiB, 1 MiB or 4 MiB. */
  readonly blockSizeId?: number;
  readonly isLinked?: boolean;
  readonly hasBlockChecksums?: boolean;
  readonly hasContentChecksum?: boolean;
  readonly hasContentSize?: boolean;
  /** Whether no block is compressed. */
  readonly isPlain?: boolean;
  /** The content of each block, where they are not to be full. */
  readonly blocks?: readonly Uint8Array[];
}

/** A frame of LZ4 whose blocks are runs and literals; every third block is not compressed. */
export function buildLz4(content: Uint8Array, spec: Lz4Spec = {}): Buffer {
  const { blockSizeId = 4, isLinked = false, hasBlockChecksums = false } = spec;
  const { hasContentChecksum = true, hasContentSize = false } = spec;
  const flags =
    0x40 +
    (isLinked ? 0 : 0x20) +
    (hasBlockChecksums ? 0x10 : 0) +
    (hasContentSize ? 8 : 0) +
    (hasContentChecksum ? 4 : 0);
  const size = Buffer.alloc(hasContentSize ? 8 : 0);
  if (hasContentSize) size.writeBigUInt64LE(BigInt(content.length));
  const descriptor = Buffer.concat([Buffer.of(flags, blockSizeId * 16), size]);
  const check = Buffer.of((xxh32(descriptor) >>> 8) & 0xff);
  const pieces = [word(0x184d_2204), descriptor, check];
  const blocks = spec.blocks ?? cut(content, 4 ** blockSizeId * 256);
  for (const [index, block] of blocks.entries()) {
    const isPlain = spec.isPlain === true || index % 3 === 2;
    const encoded = isPlain ? Buffer.from(block) : encodeRuns(block);
    pieces.push(word(encoded.length + (isPlain ? 2 ** 31 : 0)), encoded);
    if (hasBlockChecksums) pieces.push(word(xxh32(encoded)));
  }
  pieces.push(word(0));
  if (hasContentChecksum) pieces.push(word(xxh32(content)));
  return Buffer.concat(pieces);
}

function cut(bytes: Uint8Array, length: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) parts.push(bytes.subarray(at, at + length));
  return parts;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const MIN_RUN = 24;
/** The last bytes of a block are literals. */
const TAIL = 12;

/** A block in which runs of a byte are matches of distance 1, and all else is literals. */
export function encodeRuns(bytes: Uint8Array): Buffer {
  const pieces: Buffer[] = [];
  let literalsFrom = 0;
  for (let at = 1; at < bytes.length - TAIL;) {
    let end = at;
    while (end < bytes.length - TAIL && bytes[end] === bytes[at - 1]) end += 1;
    if (end - at >= MIN_RUN) {
      pieces.push(sequence(bytes.subarray(literalsFrom, at), end - at));
      literalsFrom = end;
    }
    at = Math.max(end, at + 1);
  }
  pieces.push(sequence(bytes.subarray(literalsFrom), 0));
  return Buffer.concat(pieces);
}

function sequence(literals: Uint8Array, match: number): Buffer {
  const token = Math.min(literals.length, 15) * 16 + (match === 0 ? 0 : Math.min(match - 4, 15));
  const parts = [Buffer.of(token), more(literals.length), Buffer.from(literals)];
  if (match > 0) parts.push(Buffer.of(1, 0), more(match - 4));
  return Buffer.concat(parts);
}

function more(length: number): Buffer {
  if (length < 15) return Buffer.alloc(0);
  const rest = length - 15;
  return Buffer.concat([Buffer.alloc(Math.floor(rest / 255), 255), Buffer.of(rest % 255)]);
}

/** Of a frame with a content size, and checksums of its blocks alone: makes all of them right. */
export function repairSummedLz4(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const descriptorEnd = 14;
  if (bytes.length <= descriptorEnd) return;
  bytes[descriptorEnd] = (xxh32(bytes.subarray(4, descriptorEnd)) >>> 8) & 0xff;
  for (let at = descriptorEnd + 1; at + 4 <= bytes.length;) {
    const size = view.getUint32(at, true) & 0x7fff_ffff;
    const end = at + 4 + size;
    if (size === 0 || end + 4 > bytes.length) return;
    view.setUint32(end, xxh32(bytes.subarray(at + 4, end)), true);
    at = end + 4;
  }
}
