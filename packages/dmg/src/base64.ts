/** Base64 (RFC 4648, section 4) as property lists hold it, broken into lines. */
import { corrupt } from './refusals.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PADDING = 0x3d;
const SPACE = 0x20;
const NONE = 255;

const VALUES = new Uint8Array(256).fill(NONE);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** Decodes text up to its padding or end; white space and other control characters are skipped. */
export function decodeBase64(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let length = 0;
  let held = 0;
  let digits = 0;
  for (const character of text) {
    if (character <= SPACE) continue;
    if (character === PADDING) break;
    const value = VALUES[character]!;
    if (value === NONE) throw corrupt('dmg.base64', 'A table holds characters that are no base64');
    held = held * 64 + value;
    digits += 1;
    if (digits < 4) continue;
    bytes[length] = Math.floor(held / 0x1_0000);
    bytes[length + 1] = Math.floor(held / 0x100);
    bytes[length + 2] = held;
    length += 3;
    held = digits = 0;
  }
  if (digits === 1) throw corrupt('dmg.base64', 'A table ends within a byte');
  if (digits > 1) bytes[length++] = Math.floor(held / (digits === 2 ? 0x10 : 0x400));
  if (digits > 2) bytes[length++] = Math.floor(held / 4);
  return bytes.subarray(0, length);
}
