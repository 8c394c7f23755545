/** Zeros as bytes, where they have to take space. */
import type { Step } from './step.ts';
import { type WritableStorage, writeBytes } from './storage.ts';

const ZERO_CHUNK_BYTES = 1024 * 1024;

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
