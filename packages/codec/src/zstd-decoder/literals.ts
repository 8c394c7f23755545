/** The literals of a block (RFC 8878, section 3.1.1.3.1). */
import { brokenZstd, ZSTD_MAX_BLOCK_BYTES } from '@diskfile/bytes';
import { decodeHuffman, type HuffmanTable, readHuffmanTable } from './huffman.ts';

const KIND = { raw: 0, repeated: 1, compressed: 2, treeless: 3 } as const;
const JUMP_BYTES = 6;

export class Literals {
  readonly #room = new Uint8Array(ZSTD_MAX_BLOCK_BYTES);
  #table: HuffmanTable | undefined;
  bytes: Uint8Array = this.#room;

  /** @returns where the section ends */
  read(src: Uint8Array, start: number, end: number): number {
    if (start >= end) throw brokenZstd('a block has no literals');
    const kind = src[start]! & 3;
    return kind === KIND.raw || kind === KIND.repeated
      ? this.#readPlain(src, start, end, kind)
      : this.#readCompressed(src, start, end, kind);
  }

  #readPlain(src: Uint8Array, start: number, end: number, kind: number): number {
    const format = (src[start]! >>> 2) & 3;
    const headerBytes = format === 1 ? 2 : format === 3 ? 3 : 1;
    const size = headerOf(src, start, end, headerBytes) >>> (headerBytes === 1 ? 3 : 4);
    const at = start + headerBytes;
    const stored = kind === KIND.raw ? size : 1;
    this.#setSize(size);
    if (at + stored > end) throw brokenZstd('literals go on beyond their block');
    if (kind === KIND.raw) this.bytes.set(src.subarray(at, at + size));
    else this.bytes.fill(src[at]!);
    return at + stored;
  }

  #readCompressed(src: Uint8Array, start: number, end: number, kind: number): number {
    const format = (src[start]! >>> 2) & 3;
    const headerBytes = [3, 3, 4, 5][format]!;
    const sizeBits = [10, 10, 14, 18][format]!;
    const header = headerOf(src, start, end, headerBytes);
    const size = Math.floor(header / 16) % 2 ** sizeBits;
    const stored = Math.floor(header / 2 ** (4 + sizeBits));
    const sectionEnd = start + headerBytes + stored;
    this.#setSize(size);
    if (sectionEnd > end) throw brokenZstd('literals go on beyond their block');
    let at = start + headerBytes;
    if (kind === KIND.compressed) {
      const read = readHuffmanTable(src, at, sectionEnd);
      this.#table = read.table;
      at = read.end;
    }
    if (this.#table === undefined) throw brokenZstd('literals have no table');
    if (format === 0) decodeHuffman(this.#table, src, at, sectionEnd, this.bytes);
    else this.#readFourStreams(this.#table, src, at, sectionEnd);
    return sectionEnd;
  }

  #readFourStreams(table: HuffmanTable, src: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    const part = Math.ceil(bytes.length / 4);
    if (start + JUMP_BYTES > end || part * 3 > bytes.length) {
      throw brokenZstd('literals are too short for four streams');
    }
    let at = start + JUMP_BYTES;
    for (let stream = 0; stream < 4; stream++) {
      const jump = start + stream * 2;
      const streamEnd = stream === 3 ? end : at + src[jump]! + src[jump + 1]! * 256;
      if (streamEnd > end) throw brokenZstd('literals go on beyond their block');
      const isLast = stream === 3;
      const dst = bytes.subarray(stream * part, isLast ? bytes.length : (stream + 1) * part);
      decodeHuffman(table, src, at, streamEnd, dst);
      at = streamEnd;
    }
  }

  #setSize(size: number): void {
    if (size > this.#room.length) throw brokenZstd(`a block has ${size} bytes of literals`);
    this.bytes = this.#room.subarray(0, size);
  }
}

/** Up to five bytes as a number. */
function headerOf(src: Uint8Array, start: number, end: number, lengthBytes: number): number {
  if (start + lengthBytes > end) throw brokenZstd('a block ends within a header');
  let value = 0;
  for (let index = lengthBytes - 1; index >= 0; index--) value = value * 256 + src[start + index]!;
  return value;
}
