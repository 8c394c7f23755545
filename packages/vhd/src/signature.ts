/** By what a VHD image is known: the cookie of its footer, or of the copy at the start. */
import { FOOTER_COOKIE, SECTOR_BYTES } from './structs.ts';

export function isFooter(bytes: Uint8Array, at = 0): boolean {
  if (at < 0 || bytes.length < at + FOOTER_COOKIE.length) return false;
  for (let index = 0; index < FOOTER_COOKIE.length; index++) {
    if (bytes[at + index] !== FOOTER_COOKIE.charCodeAt(index)) return false;
  }
  return true;
}

/** Images of Virtual PC 2004 lack the last byte of it. */
export function hasFooterAtEnd(tail: Uint8Array): boolean {
  return (
    isFooter(tail, tail.length - SECTOR_BYTES) || isFooter(tail, tail.length - SECTOR_BYTES + 1)
  );
}
