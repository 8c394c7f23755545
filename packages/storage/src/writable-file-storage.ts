/** A regular file or a block device that can be written. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { DiskError } from '@diskfile/bytes';
import type { SharedFile, WritableStorage } from '@diskfile/core';
import { type FileIdentity, FileStorage, MAX_REQUEST_BYTES } from './file-storage.ts';
import { hostError } from './host-error.ts';
import type { OpenedFile } from './host-files.ts';
import { punchHole, reserveSpace, zeroSpace } from './host-space.ts';
import { nothingWritten, writeShared } from './shared-file.ts';

const fdatasyncAsync = promisify(fs.fdatasync);
const ftruncateAsync = promisify(fs.ftruncate);

export class WritableFileStorage extends FileStorage implements WritableStorage {
  readonly #isDevice: boolean;
  readonly #flushes: boolean;
  /** The failure of a flush, after which the host may have dropped what it could not write. */
  #lostWrites: DiskError | undefined;

  /** @param flushes false where the order of writes does not matter: flushing does nothing then */
  constructor(opened: OpenedFile, identity: FileIdentity, flushes = true) {
    super(opened, identity);
    this.#isDevice = opened.status.kind === 'block device';
    this.#flushes = flushes;
  }

  get shared(): SharedFile {
    return {
      fd: this.descriptor.get('write'),
      wroteUpTo: (endBytes) => this.#written(endBytes),
    };
  }

  override allocatedBytes(): number {
    if (this.#isDevice) return super.allocatedBytes();
    const stats = fs.fstatSync(this.descriptor.get('stat'));
    // Windows does not count blocks.
    return stats.blocks === undefined ? stats.size : stats.blocks * 512;
  }

  writeSync(src: Uint8Array, offset: number): void {
    const fd = this.descriptor.get('write');
    this.#refuseBeyondDevice(src, offset);
    if (src.length === 0) return;
    try {
      writeShared({ fd, name: this.name }, src, offset);
    } catch (error) {
      this.#measure(fd);
      throw error;
    }
    this.#written(offset + src.length);
  }

  write(src: Uint8Array, offset: number): Promise<void> {
    return this.withDescriptor('write', (fd) => {
      this.#refuseBeyondDevice(src, offset);
      return src.length === 0 ? undefined : this.#writeAll(fd, src, offset);
    });
  }

  #writeAll(fd: number, src: Uint8Array, offset: number): Promise<void> {
    return new Promise((succeed, fail) => {
      let done = 0;
      const next = (): void => {
        const lengthBytes = Math.min(src.length - done, MAX_REQUEST_BYTES);
        fs.write(fd, src, done, lengthBytes, offset + done, finished);
      };
      const finished = (error: Error | null, count: number): void => {
        const cause = error ?? (count === 0 ? nothingWritten() : undefined);
        if (cause !== undefined) {
          this.#measure(fd);
          fail(hostError(cause, 'write', this.name, offset + done));
          return;
        }
        done += count;
        if (done < src.length) return next();
        this.#written(offset + src.length);
        succeed();
      };
      next();
    });
  }

  #written(end: number): void {
    this.ranges.forget();
    if (end > this.currentSizeBytes) this.currentSizeBytes = end;
  }

  /** After a write that failed: part of it may have made the file longer. */
  #measure(fd: number): void {
    this.ranges.forget();
    if (this.#isDevice) return;
    try {
      this.currentSizeBytes = Math.max(this.currentSizeBytes, fs.fstatSync(fd).size);
    } catch {
      // The failure of the write is what is reported.
    }
  }

  #refuseBeyondDevice(src: Uint8Array, offset: number): void {
    if (!this.#isDevice || offset + src.length <= this.currentSizeBytes) return;
    throw new DiskError(
      'no-space',
      'storage.device-full',
      `${this.name} is a device of ${this.currentSizeBytes} bytes and cannot grow`,
      { op: 'write', path: this.name, offset, layer: 'storage', hint: 'Use a larger device.' },
    );
  }

  flushSync(): void {
    const fd = this.descriptor.get('flush');
    this.#refuseAfterLoss();
    if (!this.#flushes) return;
    try {
      fs.fdatasyncSync(fd);
    } catch (cause) {
      throw this.#flushFailed(cause);
    }
  }

  flush(): Promise<void> {
    return this.withDescriptor('flush', async (fd) => {
      this.#refuseAfterLoss();
      if (!this.#flushes) return;
      try {
        await fdatasyncAsync(fd);
      } catch (cause) {
        throw this.#flushFailed(cause);
      }
    });
  }

  #flushFailed(cause: unknown): DiskError {
    this.#lostWrites = hostError(cause, 'flush', this.name);
    return this.#lostWrites;
  }

  /**
   * A host that fails to write its cache to the disk may count those pages as clean from then on,
   * so that the next flush would succeed although the data is gone.
   */
  #refuseAfterLoss(): void {
    if (this.#lostWrites === undefined) return;
    throw new DiskError(
      'io',
      'storage.lost-writes',
      `An earlier flush of ${this.name} failed, so the host may have lost what was written before it`,
      {
        op: 'flush',
        path: this.name,
        layer: 'storage',
        cause: this.#lostWrites,
        hint: 'Close the image, check it, and write again what was not flushed.',
      },
    );
  }

  truncateSync(sizeBytes: number): void {
    const fd = this.descriptor.get('truncate');
    if (this.#isUnchangedDevice(sizeBytes)) return;
    try {
      fs.ftruncateSync(fd, sizeBytes);
    } catch (cause) {
      throw hostError(cause, 'truncate', this.name, sizeBytes);
    }
    this.#resized(sizeBytes);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.withDescriptor('truncate', async (fd) => {
      if (this.#isUnchangedDevice(sizeBytes)) return;
      // A read that meets the new end while this is under way has to know that it is one.
      this.#resized(Math.min(sizeBytes, this.currentSizeBytes));
      try {
        await ftruncateAsync(fd, sizeBytes);
      } catch (cause) {
        this.#measure(fd);
        throw hostError(cause, 'truncate', this.name, sizeBytes);
      }
      this.#resized(sizeBytes);
    });
  }

  #resized(sizeBytes: number): void {
    this.ranges.forget();
    this.currentSizeBytes = sizeBytes;
  }

  /** A device keeps its size; asking for that very size is no change. */
  #isUnchangedDevice(sizeBytes: number): boolean {
    if (!this.#isDevice) return false;
    if (sizeBytes === this.currentSizeBytes) return true;
    throw new DiskError(
      'unsupported',
      'storage.device-size',
      `${this.name} is a device, whose size cannot be changed`,
      { op: 'truncate', path: this.name, layer: 'storage' },
    );
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    const fd = this.descriptor.get('discard');
    if (lengthBytes === 0) return true;
    try {
      return punchHole(fd, offset, lengthBytes);
    } catch (cause) {
      throw hostError(cause, 'discard', this.name, offset);
    } finally {
      this.ranges.forget();
    }
  }

  async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return this.punchHoleSync(offset, lengthBytes);
  }

  /** Where the space has to stay, the host marks it as unwritten. */
  zeroSync(offset: number, lengthBytes: number, mayUnmap: boolean): boolean {
    if (mayUnmap && this.punchHoleSync(offset, lengthBytes)) return true;
    return this.#changeSpace('write', zeroSpace, offset, lengthBytes);
  }

  async zero(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean> {
    return this.zeroSync(offset, lengthBytes, mayUnmap);
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    return this.#changeSpace('allocate', reserveSpace, offset, lengthBytes);
  }

  #changeSpace(
    op: 'write' | 'allocate',
    change: typeof reserveSpace,
    offset: number,
    lengthBytes: number,
  ): boolean {
    const fd = this.descriptor.get(op);
    if (lengthBytes === 0) return true;
    try {
      if (!change(fd, offset, lengthBytes)) return false;
    } catch (cause) {
      this.#measure(fd);
      throw hostError(cause, op, this.name, offset);
    }
    this.#written(offset + lengthBytes);
    return true;
  }

  async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return this.allocateSync(offset, lengthBytes);
  }
}
