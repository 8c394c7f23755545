/** The header of an image, little endian ("Parallels Expandable Image File Format", "Header"). */
import { blob, struct, u32le, u64le } from '@diskfile/bytes';

export const parallelsHeader = struct('Parallels header', {
  magic: blob(16),
  version: u32le,
  heads: u32le,
  cylinders: u32le,
  /** Sectors of a cluster. */
  tracks: u32le,
  nb_bat_entries: u32le,
  nb_sectors_low: u32le,
  nb_sectors_high: u32le,
  in_use: u32le,
  data_off: u32le,
  flags: u32le,
  ext_off: u64le,
});

/** The older one, whose entries count sectors, and the one whose entries count clusters. */
export const MAGIC = { sectors: 'WithoutFreeSpace', clusters: 'WithouFreSpacExt' } as const;
export const VERSION = 2;
export const SECTOR_BYTES = 512;

/** Values of `in_use`. */
export const IN_USE = {
  /** Opened for writing, and not closed yet. */
  open: 0x746f_6e59,
  /** Closed by who knows nothing of the format extension, which is not up to date then. */
  closedWithoutExtension: 0,
} as const;

/** Bits of `flags`. */
export const EMPTY_IMAGE = 1;
