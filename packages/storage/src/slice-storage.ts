/** A window onto another storage, itself a storage. */
import { DiskError } from '@diskfile/bytes';
import type { HostRange, Storage } from '@diskfile/core';

/**
 * The part of `storage` from `offset` on. The slice takes the storage over: closing it closes that.
 * @param lengthBytes all that follows `offset` when undefined
 * @throws DiskError `out-of-range` when the window leaves the storage.
 */
export function sliceStorage(storage: Storage, offset: number, lengthBytes?: number): Storage {
  const length = lengthBytes ?? storage.sizeBytes - offset;
  const exact = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!exact || offset < 0 || length < 0 || offset > storage.sizeBytes - length) {
    throw new DiskError(
      'out-of-range',
      'storage.slice-range',
      `A window of ${lengthBytes ?? 'all'} bytes at ${offset} does not fit into the ` +
        `${storage.sizeBytes} bytes of ${storage.name}`,
      { op: 'open', path: storage.name, offset, layer: 'storage' },
    );
  }
  return new SliceStorage(storage, offset, length);
}

export class SliceStorage implements Storage {
  readonly name: string;
  readonly sizeBytes: number;
  readonly synchronous: boolean;
  /** Two windows onto one file are one host object only if they are the same window. */
  readonly identity: string | undefined;
  readonly requestAlignment: number;
  readonly startOffset: number;
  readonly storage: Storage;
  readonly #offset: number;

  constructor(storage: Storage, offset: number, lengthBytes: number) {
    this.storage = storage;
    this.name = storage.name;
    this.sizeBytes = lengthBytes;
    this.synchronous = storage.synchronous;
    this.identity = storage.identity && `${storage.identity}@${offset}+${lengthBytes}`;
    this.requestAlignment = storage.requestAlignment;
    this.startOffset = (storage.startOffset ?? 0) + offset;
    this.#offset = offset;
  }

  allocatedBytes(): number {
    return Math.min(this.sizeBytes, this.storage.allocatedBytes());
  }

  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    const within = Math.min(lengthBytes, this.sizeBytes - offset);
    if (within <= 0) return { data: false, lengthBytes };
    return (
      this.storage.hostRangeSync?.(this.#offset + offset, within) ?? {
        data: true,
        lengthBytes: within,
      }
    );
  }

  readSync(dst: Uint8Array, offset: number): void {
    const there = this.#within(dst, offset);
    if (there.length > 0) this.storage.readSync(there, this.#offset + offset);
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    const there = this.#within(dst, offset);
    if (there.length > 0) await this.storage.read(there, this.#offset + offset);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    this.storage.readvSync(this.#allWithin(buffers, offset), this.#offset + offset);
  }

  readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.storage.readv(this.#allWithin(buffers, offset), this.#offset + offset);
  }

  /** The part of `dst` that lies within the window; the rest is cleared. */
  #within(dst: Uint8Array, offset: number): Uint8Array {
    if (offset + dst.length <= this.sizeBytes) return dst;
    const lengthBytes = Math.max(0, this.sizeBytes - offset);
    dst.fill(0, lengthBytes);
    return dst.subarray(0, lengthBytes);
  }

  #allWithin(buffers: readonly Uint8Array[], offset: number): Uint8Array[] {
    let at = offset;
    return buffers.map((buffer) => {
      const there = this.#within(buffer, at);
      at += buffer.length;
      return there;
    });
  }

  closeSync(): void {
    this.storage.closeSync();
  }

  close(): Promise<void> {
    return this.storage.close();
  }
}
