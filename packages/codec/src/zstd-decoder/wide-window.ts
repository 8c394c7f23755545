/**
 * Zstandard by code of our own, for windows that WebAssembly has no room for: `zstd --long` and its
 * highest levels make them. libzstd is faster and does all others.
 */
import {
  brokenZstd,
  readU32le,
  readZstdHeader,
  Xxh64,
  ZSTD_MAX_BLOCK_BYTES,
} from '@diskfile/bytes';
import type { ZstdEngine } from '../zstd-stream.ts';
import { Literals } from './literals.ts';
import { Sequences } from './sequences.ts';

const BLOCK = { raw: 0, repeated: 1, compressed: 2 } as const;
const BLOCK_HEADER_BYTES = 3;
const FIRST_BYTES = 4 * 1024 * 1024;

export class WideWindowEngine implements ZstdEngine {
  readonly maxWindowBytes: number;
  readonly #literals = new Literals();
  readonly #sequences = new Sequences();
  readonly #output = { bytes: new Uint8Array(FIRST_BYTES), at: 0 };
  #windowBytes = 0;
  #contentBytes: number | undefined;
  #doneBytes = 0;
  #hash: Xxh64 | undefined;
  #stage: 'header' | 'block' | 'checksum' = 'header';

  constructor(maxWindowBytes: number) {
    this.maxWindowBytes = maxWindowBytes;
  }

  push(part: Uint8Array, emit: (bytes: Uint8Array) => void): void {
    if (this.#stage === 'header') this.#begin(part);
    else if (this.#stage === 'block') this.#decodeBlock(part, emit);
    else if (readU32le(part, 0) !== this.#hash!.digestLow()) {
      throw brokenZstd('the content does not fit its checksum');
    }
  }

  #begin(part: Uint8Array): void {
    const { windowBytes, contentBytes, hasChecksum } = readZstdHeader(part, 0);
    this.#windowBytes = windowBytes;
    this.#contentBytes = contentBytes;
    if (hasChecksum) this.#hash = new Xxh64();
    this.#stage = 'block';
  }

  #decodeBlock(part: Uint8Array, emit: (bytes: Uint8Array) => void): void {
    const header = part[0]! + part[1]! * 256 + part[2]! * 65_536;
    this.#makeRoom();
    const start = this.#output.at;
    this.#decodeContent((header >>> 1) & 3, header >>> 3, part);
    const content = this.#output.bytes.subarray(start, this.#output.at);
    if (content.length > this.#windowBytes) throw brokenZstd('a block is larger than its window');
    this.#doneBytes += content.length;
    this.#hash?.update(content);
    const isLast = (header & 1) !== 0;
    const wanted = this.#contentBytes ?? this.#doneBytes;
    if (this.#doneBytes > wanted || (isLast && this.#doneBytes < wanted)) {
      throw brokenZstd('the content is not as long as the frame says');
    }
    if (isLast) this.#stage = 'checksum';
    if (content.length > 0) emit(content);
  }

  #decodeContent(kind: number, size: number, part: Uint8Array): void {
    const output = this.#output;
    if (kind === BLOCK.compressed) {
      const at = this.#literals.read(part, BLOCK_HEADER_BYTES, part.length);
      this.#sequences.decode(part, at, part.length, this.#literals.bytes, output);
      return;
    }
    const end = output.at + size;
    if (kind === BLOCK.raw) output.bytes.set(part.subarray(BLOCK_HEADER_BYTES), output.at);
    else output.bytes.fill(part[BLOCK_HEADER_BYTES]!, output.at, end);
    output.at = end;
  }

  /** For a block behind the window: as long as there is no more, the buffer grows. */
  #makeRoom(): void {
    const output = this.#output;
    if (output.bytes.length - output.at >= ZSTD_MAX_BLOCK_BYTES) return;
    const windowBytes = this.#windowBytes;
    const enoughBytes = windowBytes + Math.max(ZSTD_MAX_BLOCK_BYTES, windowBytes / 4);
    if (output.bytes.length < enoughBytes) {
      const larger = new Uint8Array(Math.min(output.bytes.length * 2, Math.ceil(enoughBytes)));
      larger.set(output.bytes);
      output.bytes = larger;
      return;
    }
    output.bytes.copyWithin(0, output.at - windowBytes, output.at);
    output.at = windowBytes;
  }

  close(): void {}
}
