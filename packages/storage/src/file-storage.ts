/** A regular file or a block device as a storage. */
import fs from 'node:fs';
import { DiskError } from '@diskfile/bytes';
import type { HostRange, Storage } from '@diskfile/core';
import { FileDescriptor } from './file-descriptor.ts';
import { hostError } from './host-error.ts';
import type { OpenedFile } from './host-files.ts';
import { HostRanges } from './host-ranges.ts';

/** Longest single request: hosts move a little less than 2 GiB at most. */
export const MAX_REQUEST_BYTES = 2 ** 30;

/** What {@link openFileStorage} found out about a file before it hands it over. */
export interface FileIdentity {
  readonly name: string;
  readonly hostPath: string;
  readonly sizeBytes: number;
}

export class FileStorage implements Storage {
  readonly name: string;
  /** The path it was opened by, made absolute then; symbolic links stand as they were. */
  readonly hostPath: string;
  readonly synchronous = true;
  readonly identity: string;
  readonly requestAlignment = 1;
  protected readonly descriptor: FileDescriptor;
  protected readonly ranges = new HostRanges();
  /** Size in bytes; only a writer changes it. */
  protected currentSizeBytes: number;
  readonly #allocatedBytes: number;

  constructor({ fd, status }: OpenedFile, { name, hostPath, sizeBytes }: FileIdentity) {
    this.name = name;
    this.hostPath = hostPath;
    this.currentSizeBytes = sizeBytes;
    this.identity = status.identity;
    this.descriptor = new FileDescriptor(fd, name);
    this.#allocatedBytes = status.kind === 'block device' ? sizeBytes : status.allocatedBytes;
  }

  get sizeBytes(): number {
    return this.currentSizeBytes;
  }

  allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    const fd = this.descriptor.get('blockStatus');
    if (offset >= this.sizeBytes) return { data: false, lengthBytes };
    return this.ranges.find(fd, offset, lengthBytes);
  }

  readSync(dst: Uint8Array, offset: number): void {
    const fd = this.descriptor.get('read');
    const wanted = this.#zeroBeyondEnd(dst, offset);
    for (let done = 0; done < wanted;) {
      done += this.#readSome(fd, dst, done, wanted, offset + done);
    }
  }

  #readSome(fd: number, dst: Uint8Array, start: number, end: number, offset: number): number {
    let count: number;
    try {
      count = fs.readSync(fd, dst, start, Math.min(end - start, MAX_REQUEST_BYTES), offset);
    } catch (cause) {
      throw hostError(cause, 'read', this.name, offset);
    }
    if (count === 0) throw this.#truncated(offset);
    return count;
  }

  read(dst: Uint8Array, offset: number): Promise<void> {
    return this.withDescriptor('read', (fd) => {
      const wanted = this.#zeroBeyondEnd(dst, offset);
      return wanted === 0 ? undefined : this.#readAll(fd, dst.subarray(0, wanted), offset);
    });
  }

  #readAll(fd: number, dst: Uint8Array, offset: number): Promise<void> {
    return new Promise((succeed, fail) => {
      let done = 0;
      const next = (): void => {
        const lengthBytes = Math.min(dst.length - done, MAX_REQUEST_BYTES);
        fs.read(fd, dst, done, lengthBytes, offset + done, finished);
      };
      const finished = (cause: Error | null, count: number): void => {
        if (cause !== null) return fail(hostError(cause, 'read', this.name, offset + done));
        if (count === 0) {
          if (offset + done < this.sizeBytes) return fail(this.#truncated(offset + done));
          // We ourselves have cut the file while the read was under way.
          dst.fill(0, done);
          return succeed();
        }
        done += count;
        if (done === dst.length) succeed();
        else next();
      };
      next();
    });
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    const fd = this.descriptor.get('read');
    let done = 0;
    if (this.#isOneRequest(buffers, offset)) {
      try {
        done = fs.readvSync(fd, buffers as Uint8Array[], offset);
      } catch (cause) {
        throw hostError(cause, 'read', this.name, offset);
      }
    }
    for (const { buffer, at } of unfilled(buffers, done)) this.readSync(buffer, offset + at);
  }

  readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.withDescriptor('read', async (fd) => {
      const done = this.#isOneRequest(buffers, offset)
        ? await this.#readVectors(fd, buffers as Uint8Array[], offset)
        : 0;
      for (const { buffer, at } of unfilled(buffers, done)) {
        const wanted = this.#zeroBeyondEnd(buffer, offset + at);
        if (wanted > 0) await this.#readAll(fd, buffer.subarray(0, wanted), offset + at);
      }
    });
  }

  #readVectors(fd: number, buffers: Uint8Array[], offset: number): Promise<number> {
    return new Promise((succeed, fail) => {
      fs.readv(fd, buffers, offset, (cause, count) => {
        if (cause === null) succeed(count);
        else fail(hostError(cause, 'read', this.name, offset));
      });
    });
  }

  /** Whether one vectored request can fill all buffers: not too much, none past the end. */
  #isOneRequest(buffers: readonly Uint8Array[], offset: number): boolean {
    let end = offset;
    for (const buffer of buffers) end += buffer.length;
    const lengthBytes = end - offset;
    return end <= this.sizeBytes && lengthBytes <= MAX_REQUEST_BYTES;
  }

  /** Clears the part of `dst` past the end of the file; returns the length of the rest. */
  #zeroBeyondEnd(dst: Uint8Array, offset: number): number {
    if (offset + dst.length <= this.sizeBytes) return dst.length;
    const wanted = Math.max(0, this.sizeBytes - offset);
    dst.fill(0, wanted);
    return wanted;
  }

  /** Keeps the file open for as long as the work goes on. */
  protected async withDescriptor(
    op: string,
    work: (fd: number) => Promise<void> | undefined,
  ): Promise<void> {
    const fd = this.descriptor.beginUse(op);
    try {
      await work(fd);
    } finally {
      this.descriptor.endUse();
    }
  }

  #truncated(offset: number): DiskError {
    return new DiskError(
      'io',
      'storage.truncated',
      `${this.name} shrank while it was open: nothing is left at offset ${offset}`,
      {
        op: 'read',
        path: this.name,
        offset,
        layer: 'storage',
        hint: 'Open it again when whatever changes it has finished.',
      },
    );
  }

  closeSync(): void {
    this.descriptor.closeSync();
  }

  close(): Promise<void> {
    return this.descriptor.close();
  }
}

/** The buffers that a vectored read which stopped after `done` bytes has not filled, and where. */
function* unfilled(
  buffers: readonly Uint8Array[],
  done: number,
): Generator<{ buffer: Uint8Array; at: number }> {
  let at = 0;
  for (const buffer of buffers) {
    const start = at;
    at += buffer.length;
    if (at > done) yield { buffer, at: start };
  }
}
