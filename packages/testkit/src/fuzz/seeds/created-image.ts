/** Small images as drivers lay them out, with something written to them. */
import {
  type DiskFile,
  findDriver,
  type FormatOptions,
  MemoryStorage,
  runSync,
} from '@diskfile/core';
import { ALL_FORMATS, openDiskFileSync } from 'diskfile';
import { memoryGate } from '../exercise/memory-gate.ts';

export interface CreatedImage {
  readonly format: string;
  readonly sizeBytes: number;
  readonly options?: FormatOptions;
  /** Whether it names an image below; every name leads to one. */
  readonly hasBacking?: boolean;
}

export function createdImage(
  { format, sizeBytes, options = {}, hasBacking = false }: CreatedImage,
  fill: (disk: DiskFile) => void,
): Uint8Array {
  const storage = new MemoryStorage(new Uint8Array(0), 'image');
  const create = findDriver(ALL_FORMATS, format)!.create!({
    storage,
    sizeBytes,
    options,
    backing: hasBacking ? { name: 'base', format: 'raw' } : undefined,
    *createNamed({ filename }) {
      throw new Error(`assertion failed: ${filename} is one file too many`);
    },
  });
  runSync(create);
  const gate = memoryGate(new Uint8Array(0));
  const disk = openDiskFileSync(storage, { format, gate, readOnly: false });
  fill(disk);
  disk.closeSync();
  return storage.bytes.slice();
}
