/** A gate that opens nothing of the host: whatever an image names is a small image in memory. */
import { MemoryStorage, type OpenGate } from '@diskfile/core';

const RAW_BYTES = Uint8Array.from({ length: 96 * 1024 + 100 }, (_, at) => at % 251);

/** Whether a name leads to an image; others lead to raw bytes. */
export function isImageName(name: string): boolean {
  return /\.(qcow2|vhdx?|vdi)$/.test(name);
}

/** @param image what names of images lead to */
export function memoryGate(image: Uint8Array): OpenGate {
  return {
    *open({ file }) {
      return new MemoryStorage(isImageName(file.filename) ? image : RAW_BYTES, file.filename);
    },
  };
}
