/** What all decoders of the Lempel-Ziv kind end in. */

/** Below this, a loop takes less time than a call into the engine. */
const SHORT_BYTES = 32;

/** Copies from `distance` bytes back; what is copied may be part of what has just been written. */
export function copyMatch(
  dst: Uint8Array,
  start: number,
  distance: number,
  lengthBytes: number,
): void {
  const from = start - distance;
  if (distance >= lengthBytes && lengthBytes > SHORT_BYTES) {
    dst.copyWithin(start, from, from + lengthBytes);
    return;
  }
  if (distance === 1 && lengthBytes > SHORT_BYTES) {
    dst.fill(dst[from]!, start, start + lengthBytes);
    return;
  }
  for (let index = 0; index < lengthBytes; index++) dst[start + index] = dst[from + index]!;
}
