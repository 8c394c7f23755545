/** Adler-32, the checksum of zlib streams (RFC 1950, section 8). */

const MODULUS = 65_521;
/** So many bytes of 255 can be added up before the sums leave 32 bits. */
const BYTES_PER_REDUCTION = 5552;

export function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(at + BYTES_PER_REDUCTION, bytes.length);
    for (; at < end; at++) {
      a += bytes[at]!;
      b += a;
    }
    a %= MODULUS;
    b %= MODULUS;
  }
  return ((b << 16) | a) >>> 0;
}
