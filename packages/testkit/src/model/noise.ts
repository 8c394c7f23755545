/** Content to write: differs by its seed everywhere, and shrinks to about a half. */
import { Random } from '../storage/random.ts';

const POOL_BYTES = 4 * 1024 * 1024;
const STRIDE_BYTES = 4099;

let pool: Uint8Array | undefined;

/** A window into noise that is made once. Not to be written to. */
export function noise(seed: number, lengthBytes: number): Uint8Array {
  if (lengthBytes > POOL_BYTES / 2) return repeated(noise(seed, POOL_BYTES / 2), lengthBytes);
  pool ??= makePool();
  const start = (seed * STRIDE_BYTES) % (POOL_BYTES / 2);
  return pool.subarray(start, start + lengthBytes);
}

function makePool(): Uint8Array {
  const random = new Random(1);
  return Uint8Array.from({ length: POOL_BYTES }, () => random.below(16));
}

function repeated(part: Uint8Array, lengthBytes: number): Uint8Array {
  const whole = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; at += part.length) {
    whole.set(part.subarray(0, lengthBytes - at), at);
  }
  return whole;
}
