/** Bytes as qemu-io prints them with `-v`. */

const LINE_BYTES = 16;

/** Lines of sixteen bytes, with the offset of each. */
export function* hexDump(bytes: Uint8Array, offset: number): Generator<string> {
  for (let start = 0; start < bytes.length; start += LINE_BYTES) {
    const line = bytes.subarray(start, start + LINE_BYTES);
    let digits = '';
    let text = '';
    for (const byte of line) {
      digits += `${byte.toString(16).padStart(2, '0')} `;
      text += isAlphanumeric(byte) ? String.fromCharCode(byte) : '.';
    }
    yield `${(offset + start).toString(16).padStart(8, '0')}:  ${digits} ${text}\n`;
  }
}

function isAlphanumeric(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
}
