/** The entries of L2 tables, standard or extended: what turns one into an extent. */
import type { Extent } from '@diskfile/core';
import type { TableSlice } from './table-cache.ts';

export interface L2Entries {
  /**
   * Fills `extent` for the range from `guestOffset` on, which `slice` maps, as far as one answer
   * and the slice reach. False when a decoder has to be loaded first.
   * @throws DiskError `corrupt` for an entry that cannot be, `unsupported` for encrypted data.
   */
  map(slice: TableSlice, guestOffset: number, lengthBytes: number, extent: Extent): boolean;
  /** Whether the cluster at `guestOffset` is compressed. */
  isCompressed(slice: TableSlice, guestOffset: number): boolean;
}
