/** The files that make up one image, by the names that it gives them. */
import { DiskError } from '@diskfile/bytes';
import {
  MemoryStorage,
  type OpenGate,
  readBytes,
  runSync,
  type WritableStorage,
} from '@diskfile/core';

export type WrapStorage = (storage: WritableStorage, name: string) => WritableStorage;

/** Name of the image itself among its files. */
export const IMAGE = 'image';

export class SubjectFiles {
  readonly #storages = new Map<string, WritableStorage>();

  get image(): WritableStorage {
    return this.#storages.get(IMAGE) ?? this.add(IMAGE);
  }

  /** Names in the order in which the files were added, the image first. */
  get names(): readonly string[] {
    return [...this.#storages.keys()];
  }

  add(name: string, storage: WritableStorage = new MemoryStorage(new Uint8Array(0), name)) {
    this.#storages.set(name, storage);
    return storage;
  }

  get(name: string): WritableStorage | undefined {
    return this.#storages.get(name);
  }

  /** A copy of what a file holds. */
  bytes(name: string = IMAGE): Uint8Array {
    const storage = this.#storages.get(name)!;
    return runSync(readBytes(storage, 0, storage.sizeBytes));
  }

  /** The same files behind other storages. */
  wrapped(wrap: WrapStorage): SubjectFiles {
    const files = new SubjectFiles();
    for (const [name, storage] of this.#storages) files.add(name, wrap(storage, name));
    return files;
  }

  /** Leads to these files and no others. */
  get gate(): OpenGate {
    const storages = this.#storages;
    return {
      *open({ file }) {
        const storage = storages.get(file.filename);
        if (storage !== undefined) return storage;
        throw new DiskError('denied', 'test.gate', `There is no file ${file.filename}`);
      },
    };
  }
}
