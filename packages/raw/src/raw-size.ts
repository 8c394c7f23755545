/** How large a raw disk is; a writer changes it, and every handle sees that. */
import { alignUp } from '@diskfile/bytes';
import type { Storage } from '@diskfile/core';

export const SECTOR_BYTES = 512;

export class RawSize {
  /** A file of any length is whole sectors to a guest; what is missing reads as zeros. */
  bytes: number;

  constructor({ sizeBytes }: Storage) {
    this.bytes = alignUp(sizeBytes, SECTOR_BYTES);
  }
}
