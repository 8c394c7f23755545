/** Images in memory that name each other, for tests of what is done to chains. */
import {
  type DiskFile,
  type FormatOptions,
  MemoryStorage,
  type OpenGate,
  runSync,
  type WritableStorage,
} from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { qcow2Driver } from '@diskfile/qcow2';
import { checkDiskFileSync, openDiskFileSync } from '../../src/index.ts';

export class MemoryImages {
  readonly files: Map<string, WritableStorage>;

  constructor(files: Iterable<readonly [string, WritableStorage]> = []) {
    this.files = new Map(files);
  }

  /** Gives the images to each other, by their names here. */
  readonly gate: OpenGate = {
    open: ({ file }) => this.#open(file.filename),
  };

  *#open(name: string) {
    const storage = this.files.get(name);
    if (storage !== undefined) return storage;
    throw new DiskError('not-found', 'test.gate', `there is no ${name}`);
  }

  storage(name: string): WritableStorage {
    return this.files.get(name)!;
  }

  createRaw(name: string, content: Uint8Array): void {
    this.files.set(name, new MemoryStorage(content.slice(), name));
  }

  createQcow2(name: string, sizeBytes: number, options: FormatOptions, backing?: string): void {
    const storage = new MemoryStorage(new Uint8Array(0), name);
    const format = backing?.endsWith('.raw') ? 'raw' : 'qcow2';
    this.files.set(name, storage);
    runSync(
      qcow2Driver.create!({
        storage,
        sizeBytes,
        options,
        backing: backing === undefined ? undefined : { name: backing, format },
        *createNamed() {
          throw new Error('no data files here');
        },
      }),
    );
  }

  open(name: string, options: { readonly readOnly?: boolean } = {}): DiskFile {
    const format = name.endsWith('.raw') ? 'raw' : 'qcow2';
    return openDiskFileSync(this.storage(name), { gate: this.gate, format, ...options });
  }

  content(name: string): Uint8Array {
    const disk = this.open(name);
    const bytes = new Uint8Array(disk.sizeBytes);
    disk.readSync(bytes, 0);
    return bytes;
  }

  change(name: string, body: (disk: DiskFile) => void): void {
    const disk = this.open(name, { readOnly: false });
    body(disk);
    disk.closeSync();
  }

  /** What a check calls damage; leaks are none. */
  corruptions(name: string): number {
    const { corruptions, checkErrors } = checkDiskFileSync(this.storage(name));
    return corruptions + checkErrors;
  }

  /** The same files, each in the hands of `wrap`. */
  wrapped(wrap: (storage: WritableStorage, name: string) => WritableStorage): MemoryImages {
    return new MemoryImages([...this.files].map(([name, file]) => [name, wrap(file, name)]));
  }

  copy(): MemoryImages {
    return this.wrapped((storage, name) => {
      const bytes = new Uint8Array(storage.sizeBytes);
      storage.readSync(bytes, 0);
      return new MemoryStorage(bytes, name);
    });
  }
}
