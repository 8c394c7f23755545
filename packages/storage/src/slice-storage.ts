/** A window onto another storage, itself a storage. */
import { DiskError } from '@diskfile/bytes';
import type { HostRange, Storage, WritableStorage } from '@diskfile/core';

/**
 * The part of `storage` from `offset` on. The slice takes the storage over: closing it closes that.
 * @param lengthBytes all that follows `offset` when undefined
 * @throws DiskError `out-of-range` when the window leaves the storage.
 */
export function sliceStorage(storage: Storage, offset: number, lengthBytes?: number): Storage {
  return new SliceStorage(storage, offset, checkWindow(storage, offset, lengthBytes));
}

/** @returns its length */
function checkWindow(storage: Storage, offset: number, lengthBytes: number | undefined): number {
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
  return length;
}

export class SliceStorage implements Storage {
  readonly name: string;
  readonly synchronous: boolean;
  /** Two windows onto one file are one host object only if they are the same window. */
  readonly identity: string | undefined;
  readonly requestAlignment: number;
  readonly startOffset: number;
  readonly storage: Storage;
  readonly #offset: number;
  readonly #lengthBytes: number;

  constructor(storage: Storage, offset: number, lengthBytes: number) {
    this.storage = storage;
    this.name = storage.name;
    this.#lengthBytes = lengthBytes;
    this.synchronous = storage.synchronous;
    this.identity = storage.identity && `${storage.identity}@${offset}+${lengthBytes}`;
    this.requestAlignment = storage.requestAlignment;
    this.startOffset = (storage.startOffset ?? 0) + offset;
    this.#offset = offset;
  }

  get sizeBytes(): number {
    return this.#lengthBytes;
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

/** A window that can be written. Without a length it reaches to the storage's end and follows it. */
export class WritableSliceStorage extends SliceStorage implements WritableStorage {
  declare readonly storage: WritableStorage;
  readonly #offset: number;
  readonly #isFixed: boolean;

  /** @throws DiskError `out-of-range` when the window leaves the storage. */
  constructor(storage: WritableStorage, offset: number, lengthBytes: number | undefined) {
    checkWindow(storage, offset, lengthBytes);
    super(storage, offset, lengthBytes ?? storage.sizeBytes - offset);
    this.#offset = offset;
    this.#isFixed = lengthBytes !== undefined;
  }

  override get sizeBytes(): number {
    return this.#isFixed ? super.sizeBytes : Math.max(0, this.storage.sizeBytes - this.#offset);
  }

  writeSync(src: Uint8Array, offset: number): void {
    this.storage.writeSync(src, this.#place('write', offset, src.length));
  }

  async write(src: Uint8Array, offset: number): Promise<void> {
    await this.storage.write(src, this.#place('write', offset, src.length));
  }

  flushSync(): void {
    this.storage.flushSync();
  }

  flush(): Promise<void> {
    return this.storage.flush();
  }

  truncateSync(sizeBytes: number): void {
    if (this.#keepsSize(sizeBytes)) return;
    this.storage.truncateSync(this.#offset + sizeBytes);
  }

  async truncate(sizeBytes: number): Promise<void> {
    if (this.#keepsSize(sizeBytes)) return;
    await this.storage.truncate(this.#offset + sizeBytes);
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    return this.storage.punchHoleSync(this.#place('discard', offset, lengthBytes), lengthBytes);
  }

  async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return await this.storage.punchHole(this.#place('discard', offset, lengthBytes), lengthBytes);
  }

  zeroSync(offset: number, lengthBytes: number, mayUnmap: boolean): boolean {
    const at = this.#place('write', offset, lengthBytes);
    return (
      this.storage.zeroSync?.(at, lengthBytes, mayUnmap) ??
      (mayUnmap && this.storage.punchHoleSync(at, lengthBytes))
    );
  }

  async zero(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean> {
    const at = this.#place('write', offset, lengthBytes);
    return (
      (await this.storage.zero?.(at, lengthBytes, mayUnmap)) ??
      (mayUnmap && (await this.storage.punchHole(at, lengthBytes)))
    );
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    return this.storage.allocateSync(this.#place('allocate', offset, lengthBytes), lengthBytes);
  }

  async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return await this.storage.allocate(this.#place('allocate', offset, lengthBytes), lengthBytes);
  }

  /** Where a range of the window lies in the storage. */
  #place(op: string, offset: number, lengthBytes: number): number {
    if (!this.#isFixed || offset + lengthBytes <= this.sizeBytes) return this.#offset + offset;
    throw new DiskError(
      'no-space',
      'storage.window-full',
      `The window onto ${this.name} has ${this.sizeBytes} bytes and cannot grow`,
      { op, path: this.name, offset, layer: 'storage' },
    );
  }

  #keepsSize(sizeBytes: number): boolean {
    if (!this.#isFixed) return false;
    if (sizeBytes === this.sizeBytes) return true;
    throw new DiskError(
      'unsupported',
      'storage.window-size',
      `A window onto ${this.name} of a given size keeps it`,
      { op: 'truncate', path: this.name, layer: 'storage' },
    );
  }
}
