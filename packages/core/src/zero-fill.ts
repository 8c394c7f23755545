/** Zeros as bytes, where they have to take space. */
import type { Step } from './step.ts';
import { truncateStorage, type WritableStorage, writeBytes } from './storage.ts';

const ZERO_CHUNK_BYTES = 1024 * 1024;
/** What hosts allocate at least. */
const FIRST_BLOCK_BYTES = 4096;

/** Writes zeros, so that the host has space for every byte. */
export function* writeZeros(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
): Step<void> {
  const zeros = new Uint8Array(Math.min(ZERO_CHUNK_BYTES, lengthBytes));
  for (let done = 0; done < lengthBytes; done += zeros.length) {
    yield* writeBytes(storage, zeros.subarray(0, lengthBytes - done), offset + done);
  }
}

/**
 * Makes a file longer, or as long as it has to be. One that was empty gets space for its first block,
 * as QEMU has it: in a file without any, hosts do not tell how direct requests have to be aligned.
 */
export function* growStorage(storage: WritableStorage, sizeBytes: number): Step<void> {
  const wasEmpty = storage.sizeBytes === 0;
  yield* truncateStorage(storage, sizeBytes);
  if (wasEmpty) yield* writeZeros(storage, 0, Math.min(sizeBytes, FIRST_BLOCK_BYTES));
}
