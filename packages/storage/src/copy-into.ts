/** Puts what a file holds into one that is there, holes as holes. */
import {
  readInto,
  type Step,
  type Storage,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';

const COPY_BYTES = 2 ** 20;

/** @param target is emptied before */
export function* copyInto(source: Storage, target: WritableStorage): Step<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  yield* truncateStorage(target, 0);
  yield* truncateStorage(target, source.sizeBytes);
  for (let offset = 0; offset < source.sizeBytes;) {
    const left = source.sizeBytes - offset;
    const range = source.hostRangeSync?.(offset, left) ?? { data: true, lengthBytes: left };
    const lengthBytes = Math.min(range.lengthBytes, left, range.data ? COPY_BYTES : left);
    if (range.data) {
      const part = buffer.subarray(0, lengthBytes);
      yield* writeBytes(target, yield* readInto(source, part, offset), offset);
    }
    offset += lengthBytes;
  }
}
