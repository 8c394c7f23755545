/** Text forms of 16-byte identifiers. */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal of any bytes. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte]!;
  return text;
}

/** RFC 9562 text of a UUID stored in network order (ext4, XFS, LUKS): lower case. */
export function formatUuid(bytes: Uint8Array): string {
  const hex = toHex(bytes.subarray(0, 16));
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join('-');
}

/**
 * Text of a GUID as Microsoft and UEFI store it: the first three fields little endian
 * (UEFI specification, appendix A). Upper case, as partitioning tools print it.
 */
export function formatGuid(bytes: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return formatUuid(Uint8Array.from(order, (from) => bytes[from]!)).toUpperCase();
}

/** The reverse of {@link formatUuid}; the text is one. */
export function parseUuid(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, at) =>
    Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16),
  );
}

/** The reverse of {@link formatGuid}. */
export function parseGuid(text: string): Uint8Array {
  const bytes = parseUuid(text);
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Uint8Array.from(order, (from) => bytes[from]!);
}

/** A new random UUID in network order (RFC 9562, version 4). */
export function randomUuid(): Uint8Array {
  const uuid = globalThis.crypto.getRandomValues(new Uint8Array(16));
  uuid[6] = 0x40 + (uuid[6]! % 16);
  uuid[8] = 0x80 + (uuid[8]! % 64);
  return uuid;
}
