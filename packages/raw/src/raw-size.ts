/** How large a raw disk is. */
import { alignUp } from '@diskfile/bytes';
import type { FlatSize, Storage } from '@diskfile/core';

export const SECTOR_BYTES = 512;

/** A file of any length is whole sectors to a guest; what is missing reads as zeros. */
export function rawSize({ sizeBytes }: Storage): FlatSize {
  return { sizeBytes: alignUp(sizeBytes, SECTOR_BYTES) };
}
