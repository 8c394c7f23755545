/** Bytes that nobody can guess. */

export function randomBytes(lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  // At most 65536 bytes a call.
  for (let at = 0; at < lengthBytes; at += 65_536) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}
