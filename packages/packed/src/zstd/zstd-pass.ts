/** Goes through the frames of a zstd file, from one of them on. */
import { isSkippableMagic, readU32le } from '@diskfile/bytes';
import type { Step, Storage, StreamCodec, StreamDecoder } from '@diskfile/core';
import { ByteInput, truncated } from '../byte-input.ts';
import type { Pass, PassSource, PassStart } from '../pass.ts';
import type { UnitTable } from '../unit-table.ts';

export class ZstdPass implements Pass {
  offset: number;
  readonly #storage: Storage;
  readonly #codec: StreamCodec;
  readonly #input: ByteInput;
  /** Where in the file it ends. */
  readonly #end: number;
  #decoder: StreamDecoder | undefined;

  /** @param place of a frame in the file, and in the content */
  constructor(
    storage: Storage,
    codec: StreamCodec,
    place: { readonly hostOffset: number; readonly offset: number },
    end = storage.sizeBytes,
  ) {
    this.#storage = storage;
    this.#codec = codec;
    this.#input = new ByteInput(storage, place.hostOffset);
    this.#end = end;
    this.offset = place.offset;
  }

  *read(dst: Uint8Array): Step<number> {
    let filled = 0;
    while (filled < dst.length) {
      const decoder = this.#decoder ?? (yield* this.#nextFrame());
      if (decoder === undefined) break;
      const src = yield* this.#input.some();
      decoder.decode(src, dst.subarray(filled));
      const { takenBytes, filledBytes, isAtEnd } = decoder;
      if (takenBytes + filledBytes === 0 && !isAtEnd && src.length === 0) {
        throw truncated(this.#storage);
      }
      this.#input.skip(takenBytes);
      filled += filledBytes;
      this.offset += filledBytes;
      if (isAtEnd) this.close();
    }
    return filled;
  }

  *#nextFrame(): Step<StreamDecoder | undefined> {
    for (;;) {
      if (this.#input.offset >= this.#end) return undefined;
      const start = yield* this.#input.peek(8);
      if (start.length < 8) throw truncated(this.#storage);
      if (!isSkippableMagic(readU32le(start, 0))) break;
      this.#input.skip(8 + readU32le(start, 4));
    }
    this.#decoder = yield* this.#codec.start();
    return this.#decoder;
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}

/** Passes that begin at any frame. */
export class FrameStarts implements PassSource {
  readonly #storage: Storage;
  readonly #codec: StreamCodec;
  readonly #units: UnitTable;

  constructor(storage: Storage, codec: StreamCodec, units: UnitTable) {
    this.#storage = storage;
    this.#codec = codec;
    this.#units = units;
  }

  startBefore(guestOffset: number): PassStart {
    const index = this.#units.indexOf(guestOffset);
    const offset = this.#units.guestStart(index);
    const hostOffset = this.#units.hostOffset(index);
    const [storage, codec] = [this.#storage, this.#codec];
    return {
      offset,
      *start() {
        return new ZstdPass(storage, codec, { hostOffset, offset });
      },
    };
  }
}
