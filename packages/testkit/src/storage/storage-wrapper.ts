/** A storage that hands everything on to another one: what the wrappers of this folder start from. */
import type { HostRange, WritableStorage } from '@diskfile/core';

export class StorageWrapper implements WritableStorage {
  readonly inner: WritableStorage;
  readonly name: string;
  readonly synchronous: boolean;
  readonly identity: string | undefined;
  readonly requestAlignment: number;

  constructor(inner: WritableStorage) {
    this.inner = inner;
    this.name = inner.name;
    this.synchronous = inner.synchronous;
    this.identity = inner.identity;
    this.requestAlignment = inner.requestAlignment;
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
    this.inner.writeSync(src, offset);
  }

  write(src: Uint8Array, offset: number): Promise<void> {
    return this.inner.write(src, offset);
  }

  flushSync(): void {
    this.inner.flushSync();
  }

  flush(): Promise<void> {
    return this.inner.flush();
  }

  truncateSync(sizeBytes: number): void {
    this.inner.truncateSync(sizeBytes);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.inner.truncate(sizeBytes);
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    return this.inner.punchHoleSync(offset, lengthBytes);
  }

  punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return this.inner.punchHole(offset, lengthBytes);
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    return this.inner.allocateSync(offset, lengthBytes);
  }

  allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return this.inner.allocate(offset, lengthBytes);
  }

  closeSync(): void {
    this.inner.closeSync();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
