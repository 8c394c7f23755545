/** What of a VMDK descriptor differs from one image to the next. */

/**
 * An image, or a descriptor alone, as Latin-1 text without its content identity (CID), which is
 * random. QEMU writes it with 1 to 8 digits, and gives an image another one at the first write: the
 * end of a longer text then stays behind the NUL of the shorter one. All else keeps its place.
 */
export function withoutVmdkIdentity(image: Buffer): string {
  return image
    .toString('latin1')
    .replace(
      /\nCID=([0-9a-f]+)([^\0]*)(\0[^]{0,8})?/,
      (_, digits: string, rest: string, behind = '') =>
        `\nCID=${rest}${'\0'.repeat(digits.length + (behind as string).length)}`,
    );
}
