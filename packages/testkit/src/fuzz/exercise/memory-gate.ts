/** A gate that opens nothing of the host: whatever an image names is a small image in memory. */
import { MemoryStorage, type OpenGate } from '@diskfile/core';

const RAW_BYTES = Uint8Array.from({ length: 96 * 1024 + 100 }, (_, at) => at % 251);

/** @param qcow2 what names that end in `.qcow2` lead to; other names lead to raw bytes */
export function memoryGate(qcow2: Uint8Array): OpenGate {
  return {
    *open({ file }) {
      return new MemoryStorage(file.filename.endsWith('.qcow2') ? qcow2 : RAW_BYTES, file.filename);
    },
  };
}
