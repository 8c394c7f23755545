/** A gate for images that are written: data files may be, whatever else they name may not. */
import type { OpenGate } from '@diskfile/core';
import { SmallHostStorage, UntouchableStorage } from './guarded-storage.ts';
import { isImageName } from './memory-gate.ts';

const RAW_BYTES = Uint8Array.from({ length: 96 * 1024 + 100 }, (_, at) => at % 251);

/** @param maxBytes how large a data file may get */
export function writingGate(backing: Uint8Array, maxBytes: number): OpenGate {
  return {
    *open({ file, writable }) {
      if (writable) return new SmallHostStorage(RAW_BYTES.slice(), maxBytes);
      const bytes = isImageName(file.filename) ? backing : RAW_BYTES;
      return new UntouchableStorage(bytes, file.filename);
    },
  };
}
