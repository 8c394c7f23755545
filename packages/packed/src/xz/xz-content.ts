/** The content of an xz file: streams of blocks, whose lengths their indexes tell. */
import {
  readBytes,
  type Step,
  type Storage,
  type StreamCodec,
  type StreamDecoder,
} from '@diskfile/core';
import { ByteInput } from '../byte-input.ts';
import type { Content, PackedSource } from '../content.ts';
import type { Pass, PassSource, PassStart } from '../pass.ts';
import { streamStorage } from '../stream-storage.ts';
import { broken, readBlocks, STREAM_HEADER_BYTES, type XzBlocks } from './stream-index.ts';

export function* openXz({ storage, decoders, limits }: PackedSource): Step<Content> {
  const blocks = yield* readBlocks(storage, limits);
  const file = { storage, codec: yield* decoders.loadStream('xz'), blocks };
  const { units, streamCount } = blocks;
  const details = { packing: 'xz', streams: streamCount, blocks: units.count };
  const starts = new BlockStarts(file);
  return { storage: streamStorage(storage, starts, units.sizeBytes, limits), details };
}

interface XzFile {
  readonly storage: Storage;
  readonly codec: StreamCodec;
  readonly blocks: XzBlocks;
}

const NOTHING = new Uint8Array(0);

/** Passes that begin at any block. */
class BlockStarts implements PassSource {
  readonly #file: XzFile;

  constructor(file: XzFile) {
    this.#file = file;
  }

  startBefore(guestOffset: number): PassStart {
    const file = this.#file;
    const index = file.blocks.units.indexOf(guestOffset);
    return {
      offset: file.blocks.units.guestStart(index),
      *start() {
        return new XzPass(file, index);
      },
    };
  }
}

/**
 * Goes through blocks one by one. The decoder knows streams only, so each block is given to a new
 * one behind the header of its stream, and the index of the stream is kept from it.
 */
class XzPass implements Pass {
  offset: number;
  readonly #file: XzFile;
  readonly #input: ByteInput;
  /** The block that is decoded, or comes next. */
  #index: number;
  #decoder: StreamDecoder | undefined;
  #headerOf: number | undefined;
  #header: Uint8Array = NOTHING;

  constructor(file: XzFile, index: number) {
    const { units } = file.blocks;
    this.#file = file;
    this.#index = index;
    this.#input = new ByteInput(file.storage, units.count === 0 ? 0 : units.hostOffset(index));
    this.offset = units.count === 0 ? 0 : units.guestStart(index);
  }

  *read(dst: Uint8Array): Step<number> {
    const { units } = this.#file.blocks;
    let filled = 0;
    while (filled < dst.length && this.#index < units.count) {
      const decoder = this.#decoder ?? (yield* this.#nextBlock());
      filled += yield* this.#decode(decoder, dst.subarray(filled));
    }
    return filled;
  }

  *#nextBlock(): Step<StreamDecoder> {
    const { storage, codec, blocks } = this.#file;
    const streamStart = blocks.streamStartOf(this.#index);
    if (this.#headerOf !== streamStart) {
      this.#header = yield* readBytes(storage, streamStart, STREAM_HEADER_BYTES);
      this.#headerOf = streamStart;
    }
    this.#input.seek(blocks.units.hostOffset(this.#index));
    const decoder = yield* codec.start();
    decoder.decode(this.#header, new Uint8Array(0));
    this.#decoder = decoder;
    return decoder;
  }

  /** Goes on in the block, and on to the next one where it ends. */
  *#decode(decoder: StreamDecoder, dst: Uint8Array): Step<number> {
    const { units } = this.#file.blocks;
    const index = this.#index;
    const blockEnd = units.hostOffset(index) + units.hostBytes(index);
    const contentEnd = units.guestStart(index) + units.contentBytes(index);
    const left = blockEnd - this.#input.offset;
    const src = left === 0 ? NOTHING : (yield* this.#input.some()).subarray(0, left);
    decoder.decode(src, dst);
    const { takenBytes, filledBytes } = decoder;
    this.#input.skip(takenBytes);
    this.offset += filledBytes;
    if (this.offset > contentEnd) throw broken('A block is longer than the index says', blockEnd);
    if (takenBytes + filledBytes === 0) {
      if (left > 0 || this.offset < contentEnd) {
        throw broken('A block is not as long as the index says', blockEnd);
      }
      this.close();
      this.#index += 1;
    }
    return filledBytes;
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}
