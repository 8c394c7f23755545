/**
 * The header of an ASIF image, big endian. Apple tells nothing of it; names and meaning are those of
 * the "ASIF binary specification", which people have found out together.
 */
import { blob, struct, u16be, u32be, u64be } from '@diskfile/bytes';

export const MAGIC = 'shdw';
export const VERSION = 1;

export const asifHeader = struct('ASIF header', {
  magic: blob(4),
  version: u32be,
  headerSize: u32be,
  flags: u32be,
  /** Of which the one with the higher sequence number counts. */
  directoryOffset0: u64be,
  directoryOffset1: u64be,
  uuid: blob(16),
  sectorCount: u64be,
  maxSectorCount: u64be,
  chunkSize: u32be,
  sectorSize: u16be,
  unknown: u16be,
  metadataOffset: u64be,
});

export const ENTRY_BYTES = 8;

/** The two highest bits of an entry for a data chunk. */
export const CHUNK_STATUS = {
  /** Nothing has been written to it. */
  none: 0,
  /** All of its sectors have been. */
  whole: 1,
  /** The bitmap tells which. */
  part: 3,
} as const;

/** Two bits for each sector of a chunk. */
export const SECTOR_STATE = { none: 0, written: 1 } as const;
export const SECTORS_PER_BITMAP_BYTE = 4;
