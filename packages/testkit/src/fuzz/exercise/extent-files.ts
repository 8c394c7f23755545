/** The files that a VMDK disk may name, in memory: sparse parts by their names, raw bytes for the rest. */
import type { OpenGate, Storage } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';
import { SmallHostStorage, UntouchableStorage } from './guarded-storage.ts';

const RAW_BYTES = Uint8Array.from({ length: 96 * 1024 + 100 }, (_, at) => at % 251);
/** What one image may open: descriptors are no longer than a few megabytes. */
const MAX_OPENED = 40_000;

/** Kept from one opening of a disk to the next, as a host keeps files. */
export class ExtentFiles {
  readonly #known: ReadonlyMap<string, Uint8Array>;
  readonly #roomBytes: number;
  readonly #written = new Map<string, SmallHostStorage>();
  #opened = 0;

  /** @param roomBytes by which each file may grow */
  constructor(known: ReadonlyMap<string, Uint8Array>, roomBytes: number) {
    this.#known = known;
    this.#roomBytes = roomBytes;
  }

  get gate(): OpenGate {
    return {
      open: ({ file, writable }) => this.#open(file.filename, file.role, writable),
    };
  }

  // eslint-disable-next-line require-yield
  *#open(filename: string, role: string, writable: boolean): Generator<never, Storage> {
    this.#opened += 1;
    if (this.#opened > MAX_OPENED) throw new ContractViolation('an image opens files without end');
    if (writable && role === 'backing') throw new ContractViolation('a parent is to be written');
    const bytes = this.#written.get(filename)?.bytes ?? this.#known.get(filename) ?? RAW_BYTES;
    if (!writable) return new UntouchableStorage(bytes, filename);
    const file =
      this.#written.get(filename) ??
      new SmallHostStorage(bytes.slice(), bytes.length + this.#roomBytes);
    this.#written.set(filename, file);
    return file;
  }
}
