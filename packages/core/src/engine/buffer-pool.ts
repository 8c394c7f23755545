/** Scratch buffers that are used again: a fresh array of some size costs more than a read of it. */

const KEPT_BUFFERS = 4;

export class BufferPool {
  readonly #free: Uint8Array[] = [];

  /** A buffer of at least `lengthBytes`, its content undefined. */
  take(lengthBytes: number): Uint8Array {
    for (let index = 0; index < this.#free.length; index++) {
      if (this.#free[index]!.length >= lengthBytes) return this.#free.splice(index, 1)[0]!;
    }
    return new Uint8Array(lengthBytes);
  }

  give(buffer: Uint8Array): void {
    if (this.#free.length >= KEPT_BUFFERS) this.#free.shift();
    this.#free.push(buffer);
  }
}
