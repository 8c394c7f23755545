/** Looking for zeros, a word at a time. */

/** True for a byte array that holds only zeros; empty counts as zero. */
export function isAllZero(bytes: Uint8Array): boolean {
  const head = Math.min(bytes.length, (4 - (bytes.byteOffset % 4)) % 4);
  for (let at = 0; at < head; at++) if (bytes[at] !== 0) return false;
  // Too short to reach an aligned word, and the view below has to begin at one.
  if (head === bytes.length) return true;
  const wordCount = Math.floor((bytes.length - head) / 4);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, wordCount);
  let at = 0;
  for (; at + 8 <= wordCount; at += 8) {
    const any =
      words[at]! |
      words[at + 1]! |
      words[at + 2]! |
      words[at + 3]! |
      words[at + 4]! |
      words[at + 5]! |
      words[at + 6]! |
      words[at + 7]!;
    if (any !== 0) return false;
  }
  for (; at < wordCount; at++) if (words[at] !== 0) return false;
  for (let tail = head + wordCount * 4; tail < bytes.length; tail++) {
    if (bytes[tail] !== 0) return false;
  }
  return true;
}
