/** By what a zstd file is known. */
import { isSkippableMagic, readU32le, ZSTD_MAGIC } from '@diskfile/bytes';

/** Skippable frames may come first: pzstd and others write them. */
export function isZstd(head: Uint8Array): boolean {
  for (let at = 0; at + 8 <= head.length;) {
    const magic = readU32le(head, at);
    if (magic === ZSTD_MAGIC) return true;
    if (!isSkippableMagic(magic)) return false;
    at += 8 + readU32le(head, at + 4);
  }
  return false;
}
