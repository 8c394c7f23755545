/** Pieces of an image's metadata in memory, all of one length and known by numbers; bounded. */
import type { Step } from '../step.ts';
import { readInto, type Storage } from '../storage.ts';

/** Of the objects around a piece. */
const OVERHEAD_BYTES = 256;

export class PieceCache {
  readonly pieceBytes: number;
  readonly #storage: Storage;
  readonly #capacity: number;
  /** Those that were loaded first come first. */
  readonly #pieces = new Map<number, Uint8Array>();

  /** @param cacheBytes that all pieces may take; one is kept at the least */
  constructor(storage: Storage, pieceBytes: number, cacheBytes: number) {
    this.pieceBytes = pieceBytes;
    this.#storage = storage;
    this.#capacity = Math.max(1, Math.floor(cacheBytes / (pieceBytes + OVERHEAD_BYTES)));
  }

  /** Hot path: the piece, when it is in memory. */
  find(index: number): Uint8Array | undefined {
    return this.#pieces.get(index);
  }

  /** Brings a piece in; what the file lacks of it reads as zeros. */
  *load(index: number, hostOffset: number): Step<Uint8Array> {
    const present = this.#pieces.get(index);
    if (present !== undefined) return present;
    const piece = yield* readInto(this.#storage, new Uint8Array(this.pieceBytes), hostOffset);
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size < this.#capacity) break;
      this.#pieces.delete(oldest);
    }
    this.#pieces.set(index, piece);
    return piece;
  }
}
