/** Reads a table of records of varying length from front to back, in large pieces. */
import { readBytes, type Step, type Storage } from '@diskfile/core';

const READ_BYTES = 64 * 1024;

export class StorageCursor {
  /** Where the next record begins, counted from the start of the table: exact wherever that lies. */
  position = 0;
  readonly #start: number;
  readonly #storage: Storage;
  #window: Uint8Array = new Uint8Array(0);
  #windowPosition = 0;

  constructor(storage: Storage, start: number) {
    this.#storage = storage;
    this.#start = start;
  }

  /** Host offset of the next record. */
  get offset(): number {
    return this.#start + this.position;
  }

  /** The next `lengthBytes`, which the caller has bounded; zeros past the end of the storage. */
  *take(lengthBytes: number): Step<Uint8Array> {
    const within = this.position - this.#windowPosition;
    if (within + lengthBytes > this.#window.length) {
      const windowBytes = Math.max(lengthBytes, READ_BYTES);
      this.#window = yield* readBytes(this.#storage, this.offset, windowBytes);
      this.#windowPosition = this.position;
    }
    const start = this.position - this.#windowPosition;
    this.position += lengthBytes;
    return this.#window.subarray(start, start + lengthBytes);
  }
}
