/** Decoded units that were read in part, kept for the next read of the same unit. */
import type { Decoder } from '../decoder.ts';
import type { Storage } from '../storage.ts';

interface Unit {
  readonly storage: Storage;
  readonly decoder: Decoder;
  readonly bytes: Uint8Array;
}

/** Least recently used first out, bounded in bytes; always keeps the newest unit. */
export class UnitCache {
  readonly #capacityBytes: number;
  readonly #units = new Map<number, Unit>();
  #usedBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  /**
   * The unit that begins at a place. A damaged image may have units of several lengths and kinds
   * there; they are told apart.
   */
  get(
    storage: Storage,
    hostOffset: number,
    decoder: Decoder,
    lengthBytes: number,
  ): Uint8Array | undefined {
    const unit = this.#units.get(hostOffset);
    if (unit?.storage !== storage || unit.decoder !== decoder) return undefined;
    if (unit.bytes.length !== lengthBytes) return undefined;
    this.#units.delete(hostOffset);
    this.#units.set(hostOffset, unit);
    return unit.bytes;
  }

  set(storage: Storage, hostOffset: number, decoder: Decoder, bytes: Uint8Array): void {
    this.#drop(hostOffset);
    this.#units.set(hostOffset, { storage, decoder, bytes });
    this.#usedBytes += bytes.length;
    for (const oldest of this.#units.keys()) {
      if (this.#usedBytes <= this.#capacityBytes || oldest === hostOffset) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#units.clear();
    this.#usedBytes = 0;
  }

  #drop(hostOffset: number): void {
    const unit = this.#units.get(hostOffset);
    if (unit === undefined) return;
    this.#units.delete(hostOffset);
    this.#usedBytes -= unit.bytes.length;
  }
}
