/** A disk that takes everything and keeps nothing: what `null-co` and `null-aio` are. */
import { DiskError } from '@diskfile/bytes';
import type { HostRange, WritableStorage } from '@diskfile/core';

export class NullStorage implements WritableStorage {
  readonly name: string;
  readonly synchronous = true;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  readonly sizeBytes: number;
  /** Whether it tells that it reads as zeros; it always does read so. */
  readonly readsZeroes: boolean;
  readonly #latencyMs: number;

  constructor(name: string, sizeBytes: number, latencyNanoseconds: number, readsZeroes: boolean) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.readsZeroes = readsZeroes;
    this.#latencyMs = latencyNanoseconds / 1e6;
  }

  allocatedBytes(): number {
    return 0;
  }

  hostRangeSync(_offset: number, lengthBytes: number): HostRange {
    return { data: false, lengthBytes };
  }

  readSync(dst: Uint8Array): void {
    dst.fill(0);
  }

  async read(dst: Uint8Array): Promise<void> {
    await this.#wait();
    dst.fill(0);
  }

  readvSync(buffers: readonly Uint8Array[]): void {
    for (const buffer of buffers) buffer.fill(0);
  }

  async readv(buffers: readonly Uint8Array[]): Promise<void> {
    await this.#wait();
    this.readvSync(buffers);
  }

  writeSync(): void {}

  async write(): Promise<void> {
    await this.#wait();
  }

  flushSync(): void {}

  async flush(): Promise<void> {
    await this.#wait();
  }

  /** It is as large as it was said to be. */
  truncateSync(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new DiskError('unsupported', 'storage.null-size', 'A null device keeps its size', {
      op: 'truncate',
      path: this.name,
      layer: 'storage',
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.truncateSync(sizeBytes);
  }

  punchHoleSync(): boolean {
    return true;
  }

  async punchHole(): Promise<boolean> {
    await this.#wait();
    return true;
  }

  allocateSync(): boolean {
    return true;
  }

  async allocate(): Promise<boolean> {
    return true;
  }

  closeSync(): void {}

  async close(): Promise<void> {}

  async #wait(): Promise<void> {
    if (this.#latencyMs === 0) return;
    await new Promise((resolve) => void setTimeout(resolve, this.#latencyMs));
  }
}
