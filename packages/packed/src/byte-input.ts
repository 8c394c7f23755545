/** Reads a file from some place on, a buffer at a time. */
import { DiskError } from '@diskfile/bytes';
import { readInto, type Step, type Storage } from '@diskfile/core';

const BUFFER_BYTES = 256 * 1024;

export class ByteInput {
  readonly #storage: Storage;
  #buffer = new Uint8Array(BUFFER_BYTES);
  /** Where in the file the buffer begins. */
  #bufferOffset: number;
  #at = 0;
  #filled = 0;

  constructor(storage: Storage, offset: number) {
    this.#storage = storage;
    this.#bufferOffset = offset;
  }

  /** Where in the file the next byte is. */
  get offset(): number {
    return this.#bufferOffset + this.#at;
  }

  get isAtEnd(): boolean {
    return this.offset >= this.#storage.sizeBytes;
  }

  /** Goes on elsewhere; what the buffer holds of that is kept. */
  seek(offset: number): void {
    const at = offset - this.#bufferOffset;
    if (at >= 0 && at <= this.#filled) this.#at = at;
    else {
      this.#bufferOffset = offset;
      this.#at = this.#filled = 0;
    }
  }

  skip(lengthBytes: number): void {
    this.seek(this.offset + lengthBytes);
  }

  /** What is in the buffer from here on, at least a byte unless the file ends. */
  *some(): Step<Uint8Array> {
    if (this.#at === this.#filled) yield* this.#fill();
    return this.#buffer.subarray(this.#at, this.#filled);
  }

  /**
   * The next bytes, as many as asked for or as there are.
   * @param lengthBytes bounded by the caller: the buffer grows to hold them
   */
  *peek(lengthBytes: number): Step<Uint8Array> {
    if (lengthBytes > this.#buffer.length) this.#grow(lengthBytes);
    if (this.#filled - this.#at < lengthBytes) yield* this.#fill();
    return this.#buffer.subarray(this.#at, Math.min(this.#at + lengthBytes, this.#filled));
  }

  /** The next bytes, which have to be there; they are valid until the next call. */
  *take(lengthBytes: number): Step<Uint8Array> {
    const bytes = yield* this.peek(lengthBytes);
    if (bytes.length < lengthBytes) throw truncated(this.#storage);
    this.#at += lengthBytes;
    return bytes;
  }

  #grow(lengthBytes: number): void {
    const grown = new Uint8Array(lengthBytes + BUFFER_BYTES);
    grown.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = grown;
  }

  /** Moves the rest to the buffer's start and reads on behind it. */
  *#fill(): Step<void> {
    this.#buffer.copyWithin(0, this.#at, this.#filled);
    this.#bufferOffset += this.#at;
    this.#filled -= this.#at;
    this.#at = 0;
    const next = this.#bufferOffset + this.#filled;
    const room = Math.min(this.#buffer.length - this.#filled, this.#storage.sizeBytes - next);
    if (room <= 0) return;
    yield* readInto(this.#storage, this.#buffer.subarray(this.#filled, this.#filled + room), next);
    this.#filled += room;
  }
}

export function truncated({ name, sizeBytes }: Storage): DiskError {
  return new DiskError('corrupt', 'packed.truncated', `${name} ends in the middle of its content`, {
    path: name,
    offset: sizeBytes,
    hint: 'Copy or download the file anew.',
  });
}
