/** CRC-32C, bit by bit at first: what verifiers compare checksums with. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f6_3b78 : 0);
  return rest;
});

/** @param checksumAt where the four bytes of the checksum are, which count as zeros */
export function crc32c(bytes: Uint8Array, checksumAt: number): number {
  let sum = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= checksumAt && at < checksumAt + 4 ? 0 : bytes[at]!;
    sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 0xff]!;
  }
  return (sum ^ 0xffff_ffff) >>> 0;
}
