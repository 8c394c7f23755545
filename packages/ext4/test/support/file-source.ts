/** A host file as a byte source, for tests of this package alone. */
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ByteSource } from '@diskfile/core';

const readAsync = promisify(read);

export class FileSource implements ByteSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly synchronous = true;
  readonly #fd: number;

  constructor(path: string) {
    this.name = path;
    this.#fd = openSync(path, 'r');
    this.sizeBytes = fstatSync(this.#fd).size;
  }

  readSync(dst: Uint8Array, offset: number): void {
    let done = 0;
    while (done < dst.length) {
      const count = readSync(this.#fd, dst, done, dst.length - done, offset + done);
      if (count === 0) throw new Error(`${this.name} ends before ${offset + dst.length}`);
      done += count;
    }
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < dst.length) {
      const { bytesRead } = await readAsync(this.#fd, dst, done, dst.length - done, offset + done);
      if (bytesRead === 0) throw new Error(`${this.name} ends before ${offset + dst.length}`);
      done += bytesRead;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
