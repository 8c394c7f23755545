/**
 * The header of a sparse image, big endian. Apple tells nothing of it; names and meaning are those
 * of "Mac OS sparse image (.sparseimage) format" of the keramics project.
 */
import { blob, struct, u32be, u64be } from '@diskfile/bytes';

export const SIGNATURE = 'sprs';
export const VERSION = 3;
export const SECTOR_BYTES = 512;

export const fileHeader = struct('sparse image header', {
  signature: blob(4),
  version: u32be,
  sectorsPerBand: u32be,
  flags: u32be,
  /** The lower half of the 64-bit one. */
  sectorCountLow: u32be,
  /** 0 unless there are more bands than the array has room for. */
  nextIndexNodeOffset: u64be,
  /** 0 in older images. */
  sectorCount: u64be,
  reserved: blob(28),
});

/** Header and band numbers; the bands follow. */
export const HEADER_BYTES = 4096;
