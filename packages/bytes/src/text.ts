/**
 * Text in images. File names of Unix guests are bytes, mostly UTF-8 but not surely so. A byte that
 * is no part of valid UTF-8 becomes the lone surrogate U+DC00 + byte and turns back into that byte
 * on encoding, so any name survives the way through a JavaScript string.
 */
import { DiskError } from './disk-error.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes a guest name, whatever its bytes; {@link encodeName} gives the same bytes back. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return decodeWithEscapes(bytes);
  }
}

function decodeWithEscapes(bytes: Uint8Array): string {
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = validSequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + bytes[at]!);
      at += 1;
    } else {
      text += strictUtf8.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `at`, 0 when there is none. */
function validSequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strictUtf8.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

/** The bytes of a guest name; the inverse of {@link decodeName}. */
export function encodeName(name: string): Uint8Array {
  if (typeof name !== 'string') {
    throw new DiskError('invalid-argument', 'argument.name', 'name is to be a string');
  }
  if (!/[\udc80-\udcff]/.test(name)) return encoder.encode(name);
  const parts: number[] = [];
  for (const character of name) {
    const unit = character.codePointAt(0)!;
    if (unit >= 0xdc80 && unit <= 0xdcff) parts.push(unit - 0xdc00);
    else parts.push(...encoder.encode(character));
  }
  return Uint8Array.from(parts);
}

/** Text up to the first NUL byte, for fixed-width fields. */
export function decodeFixedText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeName(end === -1 ? bytes : bytes.subarray(0, end));
}

/** UTF-16LE text up to the first NUL unit; an unpaired surrogate is kept as it is. */
export function decodeUtf16le(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    const unit = bytes[at]! + bytes[at + 1]! * 256;
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/** The big endian form of {@link decodeUtf16le}. */
export function decodeUtf16be(bytes: Uint8Array): string {
  const swapped = new Uint8Array(bytes.length - (bytes.length % 2));
  for (let at = 0; at < swapped.length; at += 2) {
    swapped[at] = bytes[at + 1]!;
    swapped[at + 1] = bytes[at]!;
  }
  return decodeUtf16le(swapped);
}

export function encodeUtf16le(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes[at * 2] = unit % 256;
    bytes[at * 2 + 1] = Math.floor(unit / 256);
  }
  return bytes;
}

export function encodeUtf16be(text: string): Uint8Array {
  const bytes = encodeUtf16le(text);
  for (let at = 0; at < bytes.length; at += 2) bytes.subarray(at, at + 2).reverse();
  return bytes;
}
