/** Text of a guest on a terminal: names are attacker input and may hold escape sequences. */

/** C0, DEL, C1, line and paragraph separators, direction marks, and what stands for lone bytes. */
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** The text with everything that could move the cursor, hide or break a line written as an escape. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    const code = character.codePointAt(0)!;
    // Bytes that are no UTF-8 travel as U+DC80 to U+DCFF.
    if (code >= 0xdc80 && code <= 0xdcff) return hexEscape(code - 0xdc00);
    return code < 0x100 ? hexEscape(code) : `\\u{${code.toString(16)}}`;
  });
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
