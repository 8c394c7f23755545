/** A storage that hands everything on to another one: what wrappers start from. */
import { DiskError } from '@diskfile/bytes';
import { type HostRange, isWritable, type Storage, type WritableStorage } from '@diskfile/core';

export class StorageWrapper implements WritableStorage {
  readonly inner: Storage;
  readonly name: string;
  readonly synchronous: boolean;
  readonly identity: string | undefined;
  readonly requestAlignment: number;

  constructor(inner: Storage) {
    this.inner = inner;
    this.name = inner.name;
    this.synchronous = inner.synchronous;
    this.identity = inner.identity;
    this.requestAlignment = inner.requestAlignment;
  }

  /** Where on the host it comes from, where the wrapper knows better than what it wraps. */
  get hostPath(): string | undefined {
    return undefined;
  }

  /** The wrapped storage where it is to be written. */
  protected get target(): WritableStorage {
    if (isWritable(this.inner)) return this.inner;
    throw new DiskError('read-only', 'storage.wrapped-read-only', 'The storage can only be read', {
      path: this.name,
      layer: 'storage',
    });
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  allocatedBytes(): number {
    return this.inner.allocatedBytes();
  }

  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    return this.inner.hostRangeSync?.(offset, lengthBytes) ?? { data: true, lengthBytes };
  }

  readSync(dst: Uint8Array, offset: number): void {
    this.inner.readSync(dst, offset);
  }

  read(dst: Uint8Array, offset: number): Promise<void> {
    return this.inner.read(dst, offset);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    this.inner.readvSync(buffers, offset);
  }

  readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.inner.readv(buffers, offset);
  }

  writeSync(src: Uint8Array, offset: number): void {
    this.target.writeSync(src, offset);
  }

  write(src: Uint8Array, offset: number): Promise<void> {
    return this.target.write(src, offset);
  }

  flushSync(): void {
    this.target.flushSync();
  }

  flush(): Promise<void> {
    return this.target.flush();
  }

  truncateSync(sizeBytes: number): void {
    this.target.truncateSync(sizeBytes);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.target.truncate(sizeBytes);
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    return this.target.punchHoleSync(offset, lengthBytes);
  }

  punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return this.target.punchHole(offset, lengthBytes);
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    return this.target.allocateSync(offset, lengthBytes);
  }

  allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return this.target.allocate(offset, lengthBytes);
  }

  closeSync(): void {
    this.inner.closeSync();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
