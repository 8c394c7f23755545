/** Bytes as an LZ4 block that consists of them alone. */
const LONG = 15;

export function literalBlock(bytes: Uint8Array): Uint8Array {
  const isLong = bytes.length >= LONG;
  const rest = bytes.length - LONG;
  const lengthBytes = isLong ? Math.floor(rest / 255) + 1 : 0;
  const block = new Uint8Array(1 + lengthBytes + bytes.length);
  block[0] = Math.min(bytes.length, LONG) * 16;
  if (isLong) {
    block.fill(255, 1, lengthBytes);
    block[lengthBytes] = rest % 255;
  }
  block.set(bytes, 1 + lengthBytes);
  return block;
}
