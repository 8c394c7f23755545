/**
 * The arithmetic of tweaked block ciphers (XTS, CBC): exclusive or of whole arrays, and the
 * multiplication by which XTS gives every block of a sector a tweak of its own.
 */

const BLOCK_WORDS = 4;
/** x^128 = x^7 + x^2 + x + 1, the polynomial of XTS (IEEE 1619-2007, section 5.2). */
const REDUCTION = 0x87;

/** Exclusive or of `mask` into `bytes`, which is no longer than it. */
export function xorInto(bytes: Uint8Array, mask: Uint8Array): void {
  const { length } = bytes;
  let at = 0;
  if (bytes.byteOffset % 4 === 0 && mask.byteOffset % 4 === 0) {
    const words = Math.floor(length / 4);
    const target = new Uint32Array(bytes.buffer, bytes.byteOffset, words);
    const source = new Uint32Array(mask.buffer, mask.byteOffset, words);
    for (let index = 0; index < words; index++) target[index]! ^= source[index]!;
    at = words * 4;
  }
  for (; at < length; at++) bytes[at]! ^= mask[at]!;
}

/**
 * Tweaks of all blocks from those of each unit's first block.
 * @param first 16 bytes a unit
 * @param blocksPerUnit blocks of 16 bytes that a unit has
 * @param tweaks 16 bytes for every block of every unit; filled
 */
export function expandTweaks(first: Uint8Array, blocksPerUnit: number, tweaks: Uint8Array): void {
  const view = new DataView(first.buffer, first.byteOffset, first.length);
  const out = new DataView(tweaks.buffer, tweaks.byteOffset, tweaks.length);
  let at = 0;
  for (let unit = 0; unit < first.length; unit += BLOCK_WORDS * 4) {
    let a = view.getUint32(unit, true);
    let b = view.getUint32(unit + 4, true);
    let c = view.getUint32(unit + 8, true);
    let d = view.getUint32(unit + 12, true);
    for (let block = 0; block < blocksPerUnit; block++, at += BLOCK_WORDS * 4) {
      out.setUint32(at, a, true);
      out.setUint32(at + 4, b, true);
      out.setUint32(at + 8, c, true);
      out.setUint32(at + 12, d, true);
      const carry = d >>> 31;
      d = (d << 1) | (c >>> 31);
      c = (c << 1) | (b >>> 31);
      b = (b << 1) | (a >>> 31);
      a = (a << 1) ^ (carry * REDUCTION);
    }
  }
}
