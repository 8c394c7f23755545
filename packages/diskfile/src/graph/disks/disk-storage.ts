/** An opened disk as a storage that can be written: what a format or filter over it stands on. */
import { resolve } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { asStorage, type DiskFile, type HostRange, type WritableStorage } from '@diskfile/core';
import { StorageWrapper } from '@diskfile/storage';

/** Owns the disk. The size changes only where the format of the disk can do that. */
export class DiskStorage extends StorageWrapper implements WritableStorage {
  readonly disk: DiskFile;
  /** Ends with the growth that was begun last. */
  #growing: Promise<void> = Promise.resolve();

  constructor(disk: DiskFile) {
    super(asStorage(disk));
    this.disk = disk;
  }

  /** A filter over a file lies where the file does. */
  override get hostPath(): string {
    return resolve(this.disk.info()[0]!.path);
  }

  override allocatedBytes(): number {
    return this.disk.physicalSizeBytes();
  }

  override hostRangeSync(offset: number, lengthBytes: number): HostRange {
    const within = Math.min(lengthBytes, this.sizeBytes - offset);
    if (within <= 0) return { data: false, lengthBytes };
    for (const status of this.disk.blockStatusSync(offset, within)) {
      return { data: !status.zero, lengthBytes: status.lengthBytes };
    }
    return { data: true, lengthBytes };
  }

  override writeSync(src: Uint8Array, offset: number): void {
    if (src.length === 0) return;
    if (offset + src.length > this.sizeBytes) this.truncateSync(offset + src.length);
    this.disk.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    if (src.length === 0) return;
    if (offset + src.length > this.sizeBytes) await this.#grow(offset + src.length);
    await this.disk.write(src, offset);
  }

  /** Writes side by side grow the disk one after another: none makes it smaller again. */
  async #grow(sizeBytes: number): Promise<void> {
    const grown = this.#growAfter(this.#growing, sizeBytes);
    this.#growing = grown.catch(() => {});
    await grown;
  }

  async #growAfter(before: Promise<void>, sizeBytes: number): Promise<void> {
    await before;
    if (sizeBytes > this.sizeBytes) await this.#resizing().resize(sizeBytes);
  }

  override flushSync(): void {
    this.disk.flushSync();
  }

  override async flush(): Promise<void> {
    await this.disk.flush();
  }

  override truncateSync(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    this.#resizing().resizeSync(sizeBytes, { shrink: true });
  }

  override async truncate(sizeBytes: number): Promise<void> {
    if (sizeBytes === this.sizeBytes) return;
    await this.#resizing().resize(sizeBytes, { shrink: true });
  }

  #resizing() {
    const { resizing } = this.disk.capabilities;
    if (resizing !== undefined) return resizing;
    throw new DiskError('unsupported', 'storage.disk-size', 'The disk below keeps its size', {
      op: 'truncate',
      path: this.name,
      layer: 'storage',
    });
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    return this.zeroSync(offset, lengthBytes, true);
  }

  override punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return this.zero(offset, lengthBytes, true);
  }

  zeroSync(offset: number, lengthBytes: number, mayUnmap: boolean): boolean {
    const within = this.#within(offset, lengthBytes);
    if (within > 0) this.disk.writeZeroesSync(offset, within, { mayUnmap });
    return true;
  }

  async zero(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean> {
    const within = this.#within(offset, lengthBytes);
    if (within > 0) await this.disk.writeZeroes(offset, within, { mayUnmap });
    return true;
  }

  /** Unlike a hole, this leaves parts of clusters as they are. */
  discardSync(offset: number, lengthBytes: number): void {
    const within = this.#within(offset, lengthBytes);
    if (within > 0) this.disk.discardSync(offset, within);
  }

  async discard(offset: number, lengthBytes: number): Promise<void> {
    const within = this.#within(offset, lengthBytes);
    if (within > 0) await this.disk.discard(offset, within);
  }

  #within(offset: number, lengthBytes: number): number {
    return Math.max(0, Math.min(lengthBytes, this.sizeBytes - offset));
  }

  /** Where a disk keeps its bytes is its own affair. */
  override allocateSync(): boolean {
    return false;
  }

  override async allocate(): Promise<boolean> {
    return false;
  }

  override closeSync(): void {
    this.disk.closeSync();
  }

  override async close(): Promise<void> {
    await this.disk.close();
  }
}
