/** Storages that notice what must not happen to them. */
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';

/** A host with little space: what grows further is refused, as hosts do. */
export class SmallHostStorage extends MemoryStorage {
  readonly #maxBytes: number;

  constructor(bytes: Uint8Array, maxBytes: number) {
    super(bytes, 'image');
    this.#maxBytes = maxBytes;
  }

  override truncateSync(sizeBytes: number): void {
    if (sizeBytes > this.#maxBytes) {
      throw new DiskError('no-space', 'test.full', 'The host is full', { path: this.name });
    }
    super.truncateSync(sizeBytes);
  }
}

/** What an image merely names, or what is only to be read, is never changed. */
export class UntouchableStorage extends MemoryStorage {
  #refuse(): never {
    throw new ContractViolation(`${this.name} is written`);
  }

  override writeSync(): void {
    this.#refuse();
  }

  override async write(): Promise<void> {
    this.#refuse();
  }

  override truncateSync(): void {
    this.#refuse();
  }

  override async truncate(): Promise<void> {
    this.#refuse();
  }

  override punchHoleSync(): boolean {
    return this.#refuse();
  }

  override async punchHole(): Promise<boolean> {
    return this.#refuse();
  }

  override allocateSync(): boolean {
    return this.#refuse();
  }

  override async allocate(): Promise<boolean> {
    return this.#refuse();
  }
}
