/** LZ4 blocks that refer to those before them, or whose length is not known. */
import type { Step, StreamCheckpoint, StreamCodec, StreamDecoder } from '@diskfile/core';
import { decodeLz4Block } from './lz4-block.ts';

/** How far back a match reaches. */
const WINDOW_BYTES = 64 * 1024;

class Lz4Checkpoint implements StreamCheckpoint {
  readonly window: Uint8Array;

  constructor(window: Uint8Array) {
    this.window = window;
  }

  get sizeBytes(): number {
    return this.window.length;
  }
}

/** A stream is a row of blocks, each of which is decoded by one call. */
export class Lz4Streams implements StreamCodec {
  readonly id = 'lz4';

  *start(from?: StreamCheckpoint): Step<Lz4Stream> {
    if (from === undefined) return new Lz4Stream(new Uint8Array(0));
    if (from instanceof Lz4Checkpoint) return new Lz4Stream(from.window);
    throw new Error('assertion failed: the checkpoint is one of another codec');
  }
}

class Lz4Stream implements StreamDecoder {
  takenBytes = 0;
  filledBytes = 0;
  readonly isAtEnd = false;
  #window: Uint8Array;
  /** The window, and room for a block behind it. */
  #room = new Uint8Array(0);

  constructor(window: Uint8Array) {
    this.#window = window;
  }

  /** @param dst long enough for all of the block that `src` is */
  decode(src: Uint8Array, dst: Uint8Array): void {
    const start = this.#window.length;
    if (this.#room.length < WINDOW_BYTES + dst.length) {
      this.#room = new Uint8Array(WINDOW_BYTES + dst.length);
    }
    const room = this.#room.subarray(0, start + dst.length);
    room.set(this.#window);
    const end = decodeLz4Block(src, room, start, 0);
    this.takenBytes = src.length;
    this.filledBytes = end - start;
    dst.set(room.subarray(start, end));
    this.#window = room.slice(Math.max(0, end - WINDOW_BYTES), end);
  }

  checkpoint(): Lz4Checkpoint {
    return new Lz4Checkpoint(this.#window);
  }

  close(): void {}
}
