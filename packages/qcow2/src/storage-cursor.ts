/** Reads a table of records of varying length from front to back, in large pieces. */
import { readBytes, type Step, type Storage } from '@diskfile/core';

const READ_BYTES = 64 * 1024;

export class StorageCursor {
  /** Host offset of the next record. */
  offset: number;
  readonly #storage: Storage;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset = 0;

  constructor(storage: Storage, offset: number) {
    this.#storage = storage;
    this.offset = offset;
  }

  /** The next `lengthBytes`, which the caller has bounded; zeros past the end of the storage. */
  *take(lengthBytes: number): Step<Uint8Array> {
    const within = this.offset - this.#windowOffset;
    if (within + lengthBytes > this.#window.length) {
      const windowBytes = Math.max(lengthBytes, READ_BYTES);
      this.#window = yield* readBytes(this.#storage, this.offset, windowBytes);
      this.#windowOffset = this.offset;
    }
    const start = this.offset - this.#windowOffset;
    this.offset += lengthBytes;
    return this.#window.subarray(start, start + lengthBytes);
  }
}
