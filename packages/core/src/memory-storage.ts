/** Bytes in memory as a storage: inline file data, decoded headers, tests. */
import type { Storage } from './storage.ts';

export class MemoryStorage implements Storage {
  readonly name: string;
  readonly synchronous = true;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  readonly #bytes: Uint8Array;

  /** The bytes are used as they are, not copied. */
  constructor(bytes: Uint8Array, name = 'memory') {
    this.#bytes = bytes;
    this.name = name;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  allocatedBytes(): number {
    return this.#bytes.length;
  }

  readSync(dst: Uint8Array, offset: number): void {
    const there = this.#bytes.subarray(Math.min(offset, this.#bytes.length), offset + dst.length);
    dst.set(there);
    dst.fill(0, there.length);
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    this.readSync(dst, offset);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset;
    for (const buffer of buffers) {
      this.readSync(buffer, at);
      at += buffer.length;
    }
  }

  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    this.readvSync(buffers, offset);
  }

  closeSync(): void {}

  async close(): Promise<void> {}
}
