/** Bytes in memory as a storage: inline file data, decoded headers, scratch disks, tests. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument } from './arguments.ts';
import type { WritableStorage } from './storage.ts';

/** Larger than any one array can be on the platforms served. */
const MAX_SIZE_BYTES = 2 ** 32;

export class MemoryStorage implements WritableStorage {
  readonly name: string;
  readonly synchronous = true;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  /** Holds the storage's bytes, and behind them zeros to grow into. */
  #bytes: Uint8Array;
  #sizeBytes: number;

  /** The bytes are used as they are, not copied, until the storage grows. */
  constructor(bytes: Uint8Array = new Uint8Array(0), name = 'memory') {
    checkArgument('open', 'bytes', bytes, 'bytes');
    this.#bytes = bytes;
    this.#sizeBytes = bytes.length;
    this.name = name;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The content, not copied; valid until the storage next grows. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#sizeBytes);
  }

  allocatedBytes(): number {
    return this.#sizeBytes;
  }

  readSync(dst: Uint8Array, offset: number): void {
    const end = Math.min(offset + dst.length, this.#sizeBytes);
    const there = this.#bytes.subarray(Math.min(offset, end), end);
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

  writeSync(src: Uint8Array, offset: number): void {
    if (src.length === 0) return;
    if (offset + src.length > this.#sizeBytes) this.truncateSync(offset + src.length);
    this.#bytes.set(src, offset);
  }

  async write(src: Uint8Array, offset: number): Promise<void> {
    this.writeSync(src, offset);
  }

  flushSync(): void {}

  async flush(): Promise<void> {}

  truncateSync(sizeBytes: number): void {
    if (sizeBytes > MAX_SIZE_BYTES) {
      throw new DiskError(
        'no-space',
        'storage.memory-full',
        'A disk in memory cannot grow so far',
        {
          op: 'write',
          path: this.name,
          layer: 'storage',
        },
      );
    }
    if (sizeBytes > this.#bytes.length) {
      const grown = new Uint8Array(
        Math.min(MAX_SIZE_BYTES, Math.max(sizeBytes, this.#bytes.length * 2)),
      );
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    // What lies behind the end has to be zeros for when the storage grows again.
    if (sizeBytes < this.#sizeBytes) this.#bytes.fill(0, sizeBytes, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.truncateSync(sizeBytes);
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.bytes.fill(0, offset, offset + lengthBytes);
    return true;
  }

  async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return this.punchHoleSync(offset, lengthBytes);
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    if (offset + lengthBytes > this.#sizeBytes) this.truncateSync(offset + lengthBytes);
    return true;
  }

  async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return this.allocateSync(offset, lengthBytes);
  }

  closeSync(): void {}

  async close(): Promise<void> {}
}
