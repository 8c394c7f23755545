/**
 * The format extension: features behind one another in a cluster of their own ("Parallels Expandable
 * Image File Format", Format Extension). What they keep is not kept up to date here, so an image with
 * one that counts on that may only be read.
 */
import { alignUp, readU32le, testBit } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import type { ParallelsHeader } from './header.ts';

const MAGIC = { low: 0x23dc_ea87, high: 0xab23_4cef };
/** The magic, and a checksum of all that follows. */
const HEAD_BYTES = 24;
const FEATURE_BYTES = 24;
const FEATURE_ALIGNMENT = 8;
/** The bit NECESSARY of a feature's flags. */
const NECESSARY = 0;

/** Whether a feature says that nobody may change the image who does not know it. */
export function* forbidsWriting(storage: Storage, header: ParallelsHeader): Step<boolean> {
  const { extensionOffset, clusterBytes } = header;
  const end = Math.min(clusterBytes, storage.sizeBytes - extensionOffset);
  if (extensionOffset === 0 || end < HEAD_BYTES) return false;
  const head = yield* readBytes(storage, extensionOffset, HEAD_BYTES);
  if (readU32le(head, 0) !== MAGIC.low || readU32le(head, 4) !== MAGIC.high) return false;
  for (let at = HEAD_BYTES; at + FEATURE_BYTES <= end;) {
    const feature = yield* readBytes(storage, extensionOffset + at, FEATURE_BYTES);
    if (readU32le(feature, 0) === 0 && readU32le(feature, 4) === 0) return false;
    if (testBit(readU32le(feature, 8), NECESSARY)) return true;
    at += FEATURE_BYTES + alignUp(readU32le(feature, 16), FEATURE_ALIGNMENT);
  }
  return false;
}
