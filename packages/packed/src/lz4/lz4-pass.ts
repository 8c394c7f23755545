/** Goes through the blocks of an LZ4 file, and verifies what checksums there are. */
import { isSkippableMagic, readU32le, xxh32, Xxh32 } from '@diskfile/bytes';
import type { Step, Storage, StreamCheckpoint, StreamCodec, StreamDecoder } from '@diskfile/core';
import { ByteInput, truncated } from '../byte-input.ts';
import type { Checkpoints } from '../checkpoints.ts';
import type { Pass } from '../pass.ts';
import {
  broken,
  type FrameHeader,
  isFrameMagic,
  MAX_HEADER_BYTES,
  readFrameHeader,
} from './frame-header.ts';
import { literalBlock } from './literal-block.ts';

/** Of the size before a block: what follows is not compressed. */
const PLAIN = 0x8000_0000;
const CHECKSUM_BYTES = 4;
/** No encoder makes more of a block than that. */
const MAX_EXPANSION_BYTES = 64 * 1024;

/** A block as it lies in the file. */
export interface Block {
  readonly hostOffset: number;
  readonly hostBytes: number;
  readonly isPlain: boolean;
  readonly hasChecksum: boolean;
  readonly contentBytes: number;
}

export interface Lz4File {
  readonly storage: Storage;
  readonly codec: StreamCodec;
  /** What the first pass tells: of each block, of frames, and where it could begin again. */
  onBlock?(block: Block): void;
  onFrame?(header: FrameHeader): void;
  checkpoints?: Checkpoints;
}

/** Where a pass begins: at a frame, or at a block within one. */
export interface Lz4Place {
  readonly hostOffset: number;
  readonly offset: number;
  readonly within?: {
    readonly header: FrameHeader;
    readonly window: StreamCheckpoint;
  };
}

export class Lz4Pass implements Pass {
  offset: number;
  readonly #file: Lz4File;
  readonly #input: ByteInput;
  #header: FrameHeader | undefined;
  #decoder: StreamDecoder | undefined;
  /** Of the frame's content; undefined where its start was not seen. */
  #hash: Xxh32 | undefined;
  #frameBytes = 0;
  #room = new Uint8Array(0);
  /** Decoded bytes that wait for room. */
  #ready = this.#room;

  private constructor(file: Lz4File, place: Lz4Place) {
    this.#file = file;
    this.offset = place.offset;
    this.#header = place.within?.header;
    this.#input = new ByteInput(file.storage, place.hostOffset);
  }

  static *start(file: Lz4File, place: Lz4Place): Step<Lz4Pass> {
    const pass = new Lz4Pass(file, place);
    const { within } = place;
    if (within !== undefined) {
      pass.#decoder = yield* file.codec.start(within.window);
      pass.#makeRoom(within.header);
    }
    return pass;
  }

  *read(dst: Uint8Array): Step<number> {
    let filled = 0;
    while (filled < dst.length) {
      if (this.#ready.length === 0 && !(yield* this.#nextBlock())) break;
      const count = Math.min(this.#ready.length, dst.length - filled);
      dst.set(this.#ready.subarray(0, count), filled);
      this.#ready = this.#ready.subarray(count);
      filled += count;
      this.offset += count;
    }
    return filled;
  }

  /** False at the end of the file. The block may turn out to be empty. */
  *#nextBlock(): Step<boolean> {
    const header = this.#header ?? (yield* this.#nextFrame());
    if (header === undefined) return false;
    this.#offerCheckpoint(header);
    const size = yield* this.#blockSize(header);
    if (size === undefined) {
      yield* this.#endFrame(header);
      return true;
    }
    yield* this.#decodeBlock(header, size);
    return true;
  }

  *#nextFrame(): Step<FrameHeader | undefined> {
    for (;;) {
      if (this.#input.isAtEnd) return undefined;
      const start = yield* this.#input.peek(MAX_HEADER_BYTES);
      if (start.length >= 8 && isSkippableMagic(readU32le(start, 0))) {
        this.#input.skip(8 + readU32le(start, 4));
        if (this.#input.offset > this.#file.storage.sizeBytes) throw truncated(this.#file.storage);
        continue;
      }
      const header = readFrameHeader(start, this.#input.offset);
      this.#input.skip(header.lengthBytes);
      this.#header = header;
      this.#decoder = yield* this.#file.codec.start();
      this.#hash = header.hasContentChecksum ? new Xxh32() : undefined;
      this.#frameBytes = 0;
      this.#makeRoom(header);
      this.#file.onFrame?.(header);
      return header;
    }
  }

  #makeRoom({ blockBytes }: FrameHeader): void {
    if (this.#room.length < blockBytes) this.#room = new Uint8Array(blockBytes);
  }

  /** Undefined behind the last block of the frame. */
  *#blockSize({ isLegacy }: FrameHeader): Step<number | undefined> {
    if (isLegacy) {
      const next = yield* this.#input.peek(4);
      if (next.length === 0) return undefined;
      // Frames like these have no end mark: another one begins, or the file ends.
      if (next.length === 4) {
        const magic = readU32le(next, 0);
        if (isFrameMagic(magic) || isSkippableMagic(magic)) return undefined;
      }
      return readU32le(yield* this.#input.take(4), 0);
    }
    const size = readU32le(yield* this.#input.take(4), 0);
    return size === 0 ? undefined : size;
  }

  *#decodeBlock(header: FrameHeader, size: number): Step<void> {
    const hostOffset = this.#input.offset;
    const isPlain = !header.isLegacy && size >= PLAIN;
    const hostBytes = isPlain ? size - PLAIN : size;
    const maxBytes = header.blockBytes + (isPlain ? 0 : MAX_EXPANSION_BYTES);
    if (hostBytes > maxBytes) throw broken(`A block is ${hostBytes} bytes long`, hostOffset);
    const hasChecksum = header.hasBlockChecksums;
    const bytes = yield* this.#input.take(hostBytes + (hasChecksum ? CHECKSUM_BYTES : 0));
    const encoded = bytes.subarray(0, hostBytes);
    if (hasChecksum && xxh32(encoded) !== readU32le(bytes, hostBytes)) {
      throw broken('A block does not fit its checksum', hostOffset);
    }
    const contentBytes = this.#decode(header, encoded, isPlain);
    this.#ready = this.#room.subarray(0, contentBytes);
    this.#hash?.update(this.#ready);
    this.#frameBytes += contentBytes;
    this.#file.onBlock?.({ hostOffset, hostBytes, isPlain, hasChecksum, contentBytes });
  }

  #decode(
    { isIndependent, blockBytes }: FrameHeader,
    encoded: Uint8Array,
    isPlain: boolean,
  ): number {
    if (isPlain && isIndependent) {
      this.#room.set(encoded);
      return encoded.length;
    }
    const decoder = this.#decoder!;
    // What is not compressed is part of the window all the same.
    const block = isPlain ? literalBlock(encoded) : encoded;
    decoder.decode(block, this.#room.subarray(0, blockBytes));
    return decoder.filledBytes;
  }

  *#endFrame(header: FrameHeader): Step<void> {
    const { offset } = this.#input;
    if (header.hasContentChecksum) {
      const sum = readU32le(yield* this.#input.take(CHECKSUM_BYTES), 0);
      if (this.#hash !== undefined && this.#hash.digest() !== sum) {
        throw broken('The content of a frame does not fit its checksum', offset);
      }
    }
    const { contentBytes } = header;
    const isKnown = this.#hash !== undefined || !header.hasContentChecksum;
    if (isKnown && contentBytes !== undefined && contentBytes !== this.#frameBytes) {
      throw broken('The content of a frame is not as long as it says', offset);
    }
    this.#header = undefined;
    this.close();
  }

  #offerCheckpoint(header: FrameHeader): void {
    const { checkpoints } = this.#file;
    if (checkpoints?.wants(this.offset) !== true) return;
    const window = this.#decoder!.checkpoint()!;
    const file = this.#file;
    const { offset } = this;
    const place = { offset, hostOffset: this.#input.offset, within: { header, window } };
    checkpoints.add({
      offset,
      sizeBytes: window.sizeBytes,
      start: () => Lz4Pass.start(file, place),
    });
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}
