/**
 * xz (".xz file format") as a stream in pieces. Decoding can be gone on with at the start of each
 * block, which takes next to nothing, and between the chunks of a block, which takes a copy of the
 * dictionary.
 */
import { alignUp, crc32, crc32Raw, readU32le, xorBits } from '@diskfile/bytes';
import type { Step, StreamCheckpoint, StreamCodec, StreamDecoder } from '@diskfile/core';
import { brokenXz } from './broken-xz.ts';
import { FilterChain, makeFilters } from './filter-chain.ts';
import { chunkLengthBytes } from './lzma2.ts';
import { Window, type WindowState } from './window.ts';
import { BlockCheck, checkLengthBytes, type CheckState, type XzCheck } from './xz-check.ts';
import {
  ALIGNMENT,
  type BlockHeader,
  parseBlockHeader,
  requireLength,
  requireZeros,
} from './xz-block.ts';
import { INDEX_INDICATOR, parseStreamHeader, STREAM_HEADER_BYTES } from './xz.ts';

const FOOTER_BYTES = 12;
/** "YZ" */
const FOOTER_MAGIC = [0x59, 0x5a] as const;
/** The longest chunk of LZMA2, its header included. */
const MAX_PART_BYTES = 6 + 65_536;

/** The parts of a stream, each of which is gathered whole before it is looked at. */
type Part = 'header' | 'block-header' | 'chunk' | 'block-end' | 'index' | 'footer' | 'nothing';

/** A block that is being decoded. */
interface OpenBlock {
  readonly header: BlockHeader;
  readonly check: BlockCheck;
  /** Undefined where LZMA2 yields the content itself. */
  readonly filters: FilterChain | undefined;
  encodedBytes: number;
  contentBytes: number;
}

class XzCheckpoint implements StreamCheckpoint {
  readonly check: XzCheck;
  readonly blockCount: number;
  readonly block: SavedBlock | undefined;

  constructor(check: XzCheck, blockCount: number, block: SavedBlock | undefined) {
    this.check = check;
    this.blockCount = blockCount;
    this.block = block;
  }

  get sizeBytes(): number {
    if (this.block === undefined) return 0;
    const { dictionary, lzma2 } = this.block.window;
    return dictionary.length + (lzma2.lzma?.probabilities.byteLength ?? 0);
  }
}

/** A block in the middle. */
interface SavedBlock {
  readonly header: BlockHeader;
  readonly checkState: CheckState;
  readonly encodedBytes: number;
  readonly contentBytes: number;
  readonly window: WindowState;
}

export class XzStreams implements StreamCodec {
  readonly id = 'xz';

  *start(from?: StreamCheckpoint): Step<StreamDecoder> {
    if (from === undefined || from instanceof XzCheckpoint) return new XzStream(from);
    throw new Error('assertion failed: the checkpoint is one of another codec');
  }
}

class XzStream implements StreamDecoder {
  takenBytes = 0;
  filledBytes = 0;
  readonly #held = new Uint8Array(MAX_PART_BYTES);
  #heldBytes = 0;
  readonly #window = new Window();
  /** What has come out of filters and not been taken. */
  #filtered: Uint8Array = new Uint8Array(0);
  #part: Part = 'header';
  #check: XzCheck = 'none';
  #block: OpenBlock | undefined;
  /** Blocks that have ended. */
  #blockCount = 0;
  readonly #index = new IndexReader();

  constructor(checkpoint: XzCheckpoint | undefined) {
    if (checkpoint === undefined) return;
    this.#check = checkpoint.check;
    this.#blockCount = checkpoint.blockCount;
    this.#part = checkpoint.block === undefined ? 'block-header' : 'chunk';
    if (checkpoint.block === undefined) return;
    const { header, checkState, encodedBytes, contentBytes, window } = checkpoint.block;
    this.#window.restore(header.dictionaryBytes, window);
    const check = new BlockCheck(this.#check, checkState);
    this.#block = { header, check, filters: undefined, encodedBytes, contentBytes };
  }

  get isAtEnd(): boolean {
    return this.#part === 'nothing';
  }

  decode(src: Uint8Array, dst: Uint8Array): void {
    this.takenBytes = this.filledBytes = 0;
    for (;;) {
      if (this.#pendingBytes > 0) {
        this.filledBytes += this.#take(dst.subarray(this.filledBytes));
        // Either `dst` is full, or decoding can be gone on with here.
        return;
      }
      if (this.isAtEnd || !this.#gather(src)) return;
      const blocks = this.#blockCount;
      this.#takeIn(this.#held.subarray(0, this.#heldBytes));
      this.#heldBytes = 0;
      if (this.#blockCount > blocks) return;
    }
  }

  get #pendingBytes(): number {
    return this.#filtered.length + this.#window.pendingBytes;
  }

  #take(dst: Uint8Array): number {
    if (this.#filtered.length === 0) return this.#window.take(dst);
    const piece = this.#filtered.subarray(0, dst.length);
    dst.set(piece);
    this.#filtered = this.#filtered.subarray(piece.length);
    return piece.length;
  }

  /** There is none within blocks that are filtered: those are gone through from their start. */
  checkpoint(): XzCheckpoint | undefined {
    if (this.#heldBytes > 0 || this.#pendingBytes > 0) return undefined;
    if (this.#part === 'block-header') {
      return new XzCheckpoint(this.#check, this.#blockCount, undefined);
    }
    if (this.#part !== 'chunk') return undefined;
    const { header, check, filters, encodedBytes, contentBytes } = this.#block!;
    if (filters !== undefined) return undefined;
    const window = this.#window.save();
    return new XzCheckpoint(this.#check, this.#blockCount, {
      header,
      checkState: check.state,
      encodedBytes,
      contentBytes,
      window,
    });
  }

  close(): void {}

  /** Takes input until the part is whole; false when there is too little. */
  #gather(src: Uint8Array): boolean {
    let wantedBytes = this.#wantedBytes();
    while (this.#heldBytes < wantedBytes) {
      const from = this.takenBytes;
      const piece = src.subarray(from, from + wantedBytes - this.#heldBytes);
      if (piece.length === 0) return false;
      this.#held.set(piece, this.#heldBytes);
      this.#heldBytes += piece.length;
      this.takenBytes += piece.length;
      wantedBytes = this.#wantedBytes();
    }
    return true;
  }

  /** How long the part is, or how much of it is needed to tell. */
  #wantedBytes(): number {
    switch (this.#part) {
      case 'header':
        return STREAM_HEADER_BYTES;
      case 'block-header': {
        const first = this.#held[0]!;
        if (this.#heldBytes === 0 || first === INDEX_INDICATOR) return 1;
        return (first + 1) * ALIGNMENT;
      }
      case 'chunk':
        return chunkLengthBytes(this.#held, 0, this.#heldBytes);
      case 'block-end':
        return paddingBytes(this.#block!.encodedBytes) + checkLengthBytes(this.#check);
      case 'index':
        return this.#index.wantedBytes;
      default:
        return FOOTER_BYTES;
    }
  }

  #takeIn(part: Uint8Array): void {
    if (this.#part === 'header') {
      this.#check = parseStreamHeader(part);
      this.#part = 'block-header';
    } else if (this.#part === 'block-header') this.#beginBlock(part);
    else if (this.#part === 'chunk') this.#decodeChunk(part);
    else if (this.#part === 'block-end') this.#endBlock(part);
    else if (this.#part === 'index') {
      if (this.#index.takeIn(part, this.#blockCount)) this.#part = 'footer';
    } else {
      requireFooter(part, this.#index.lengthBytes);
      this.#part = 'nothing';
    }
  }

  #beginBlock(part: Uint8Array): void {
    if (part[0] === INDEX_INDICATOR) {
      this.#part = 'index';
      return;
    }
    const header = parseBlockHeader(part, 0);
    this.#window.start(header.dictionaryBytes);
    const check = new BlockCheck(this.#check);
    const filters =
      header.filters.length === 0 ? undefined : new FilterChain(makeFilters(header.filters));
    this.#block = { header, check, filters, encodedBytes: 0, contentBytes: 0 };
    this.#part = 'chunk';
  }

  #decodeChunk(part: Uint8Array): void {
    const block = this.#block!;
    block.encodedBytes += part.length;
    if (this.#window.decodeChunk(part)) {
      const { pending } = this.#window;
      block.contentBytes += pending.length;
      if (block.filters === undefined) block.check.update(pending);
      else {
        this.#filter(block, pending, false);
        this.#window.dropPending();
      }
      return;
    }
    if (block.filters !== undefined) this.#filter(block, new Uint8Array(0), true);
    requireLength(block.header.compressedBytes, block.encodedBytes);
    requireLength(block.header.uncompressedBytes, block.contentBytes);
    this.#part = 'block-end';
  }

  #filter({ filters, check }: OpenBlock, bytes: Uint8Array, isEnd: boolean): void {
    this.#filtered = filters!.push(bytes, isEnd);
    check.update(this.#filtered);
  }

  #endBlock(part: Uint8Array): void {
    const { encodedBytes, check } = this.#block!;
    const checkAt = paddingBytes(encodedBytes);
    requireZeros(part, 0, checkAt);
    check.verify(part, checkAt);
    this.#block = undefined;
    this.#blockCount += 1;
    this.#part = 'block-header';
  }
}

function paddingBytes(encodedBytes: number): number {
  return alignUp(encodedBytes, ALIGNMENT) - encodedBytes;
}

/**
 * Goes through the index (section 4) a byte at a time, without keeping it. The blocks have told all
 * that it says, so only its checksum and the count of its records are compared.
 */
class IndexReader {
  /** The first byte has told that it is the index. */
  lengthBytes = 1;
  #crc = crc32Raw(Uint8Array.of(INDEX_INDICATOR), 0xffff_ffff);
  #numbersLeft: number | undefined;
  #value = 0;
  #digits = 0;

  /** A byte of a number, or padding and checksum at once. */
  get wantedBytes(): number {
    return this.#numbersLeft === 0 ? paddingBytes(this.lengthBytes) + 4 : 1;
  }

  /** Returns whether the index has ended. */
  takeIn(part: Uint8Array, blockCount: number): boolean {
    this.lengthBytes += part.length;
    if (this.#numbersLeft === 0) {
      this.#end(part);
      return true;
    }
    this.#crc = crc32Raw(part, this.#crc);
    const byte = part[0]!;
    this.#value += (byte % 0x80) * 0x80 ** this.#digits;
    this.#digits += 1;
    if (this.#digits > 9) throw brokenXz('a number in its index is none');
    if (byte < 0x80) this.#endNumber(blockCount);
    return false;
  }

  #endNumber(blockCount: number): void {
    if (this.#numbersLeft !== undefined) this.#numbersLeft -= 1;
    else if (this.#value === blockCount) this.#numbersLeft = 2 * blockCount;
    else throw brokenXz(`it has ${blockCount} blocks, and its index ${this.#value}`);
    this.#value = this.#digits = 0;
  }

  #end(part: Uint8Array): void {
    const crcAt = part.length - 4;
    requireZeros(part, 0, crcAt);
    const crc = crc32Raw(part.subarray(0, crcAt), this.#crc);
    if (xorBits(crc, 0xffff_ffff) !== readU32le(part, crcAt)) {
      throw brokenXz('the checksum of its index does not match');
    }
  }
}

/** Section 2.1.2. */
function requireFooter(footer: Uint8Array, indexBytes: number): void {
  const isWhole =
    crc32(footer.subarray(4, 10)) === readU32le(footer, 0) &&
    readU32le(footer, 4) * ALIGNMENT + ALIGNMENT === indexBytes &&
    FOOTER_MAGIC.every((byte, index) => footer[10 + index] === byte);
  if (!isWhole) throw brokenXz('its footer does not fit');
}
