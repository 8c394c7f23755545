/** VMDK disks in memory, with the files that they name. */
import { decoders, encoders } from '@diskfile/codec';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type FormatOptions,
  MemoryStorage,
  openChain,
  type OpenGate,
  runSync,
  type Storage,
} from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { vmdkDriver } from '../../src/index.ts';

/** Files by their names. */
export class Folder {
  readonly files = new Map<string, MemoryStorage>();
  /** Names under which files were asked for. */
  readonly opened: string[] = [];

  get gate(): OpenGate {
    return {
      open: ({ file }) => this.#find(file.filename),
    };
  }

  /** Creates a disk; the first of its files has `name`. */
  create(name: string, sizeBytes: number, options: FormatOptions = {}, parent?: string): void {
    const storage = this.put(name);
    runSync(
      vmdkDriver.create!({
        storage,
        sizeBytes,
        options,
        backing: parent === undefined ? undefined : { name: parent, format: 'vmdk' },
        describeBacking: () => this.#describe(parent!),
        createNamed: (file) => found(this.put(file.filename)),
      }),
    );
  }

  put(name: string, bytes = new Uint8Array(0)): MemoryStorage {
    const storage = new MemoryStorage(bytes, name);
    this.files.set(name, storage);
    return storage;
  }

  bytes(name: string): Uint8Array<ArrayBuffer> {
    const storage = this.files.get(name)!;
    const bytes = new Uint8Array(storage.sizeBytes);
    storage.readSync(bytes, 0);
    return bytes;
  }

  open(name: string, { writable = true, followBacking = true } = {}): DiskFile {
    const chain = runSync(
      openChain(this.files.get(name)!, {
        drivers: [vmdkDriver],
        decoders: decoders(),
        gate: this.gate,
        limits: DEFAULT_LIMITS,
        format: 'vmdk',
        snapshot: undefined,
        writable,
        followBacking,
      }),
    );
    return createImageDisk(chain, {
      limits: DEFAULT_LIMITS,
      encoders: encoders(),
      opening: undefined,
    });
  }

  read(name: string): Uint8Array {
    const disk = this.open(name, { writable: false });
    const bytes = new Uint8Array(disk.sizeBytes);
    disk.readSync(bytes, 0);
    disk.closeSync();
    return bytes;
  }

  *#find(name: string): Generator<never, Storage> {
    this.opened.push(name);
    const storage = this.files.get(name);
    if (storage !== undefined) return storage;
    throw new DiskError('not-found', 'test.no-file', `There is no ${name}`);
  }

  *#describe(name: string) {
    const disk = this.open(name, { writable: false, followBacking: false });
    return disk.info()[0]!.details;
  }
}

function* found<T>(value: T): Generator<never, T> {
  return value;
}

/** Bytes that do not get smaller. */
export function noise(lengthBytes: number): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length: lengthBytes }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}
