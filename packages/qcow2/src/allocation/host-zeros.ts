/** Host space that held something else and is to read as zeros. */
import { punchHole, type Step, type WritableStorage, writeZeros } from '@diskfile/core';

/** Makes a hole where the host can, and writes zeros where not. */
export function* makeZeros(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
): Step<void> {
  const punched = yield* punchHole(storage, offset, lengthBytes);
  if (!punched) yield* writeZeros(storage, offset, lengthBytes);
}
