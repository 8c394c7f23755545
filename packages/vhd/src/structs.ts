/**
 * On-disk structures of VHD, all big endian, under the names of Microsoft's "Virtual Hard Disk
 * Image Format Specification", version 1.0.
 */
import { blob, struct, u16be, u32be, u64be, u8 } from '@diskfile/bytes';

/** Section "Hard Disk Footer Format". */
export const hardDiskFooter = struct('VHD footer', {
  cookie: blob(8),
  features: u32be,
  fileFormatVersion: u32be,
  /** All ones in a fixed disk; split, since no number holds that. */
  dataOffsetHigh: u32be,
  dataOffsetLow: u32be,
  timeStamp: u32be,
  creatorApplication: blob(4),
  creatorVersion: u32be,
  creatorHostOs: blob(4),
  originalSize: u64be,
  currentSize: u64be,
  cylinders: u16be,
  heads: u8,
  sectorsPerTrack: u8,
  diskType: u32be,
  checksum: u32be,
  uniqueId: blob(16),
  savedState: u8,
  reserved: blob(427),
});

/** Section "Dynamic Disk Header Format". */
export const dynamicDiskHeader = struct('VHD dynamic disk header', {
  cookie: blob(8),
  dataOffsetHigh: u32be,
  dataOffsetLow: u32be,
  tableOffset: u64be,
  headerVersion: u32be,
  maxTableEntries: u32be,
  blockSize: u32be,
  checksum: u32be,
  parentUniqueId: blob(16),
  parentTimeStamp: u32be,
  reserved1: u32be,
  parentUnicodeName: blob(512),
  parentLocators: blob(8 * 24),
  reserved2: blob(256),
});

/** Section "Dynamic Disk Header Format", "Parent Locator Entries". */
export const parentLocator = struct('VHD parent locator', {
  platformCode: u32be,
  platformDataSpace: u32be,
  platformDataLength: u32be,
  reserved: u32be,
  platformDataOffset: u64be,
});

export const FOOTER_COOKIE = 'conectix';
export const HEADER_COOKIE = 'cxsparse';
export const DISK_TYPE = { fixed: 2, dynamic: 3, differencing: 4 } as const;
/** A block that is not there, in the block allocation table. */
export const UNUSED_ENTRY = 0xffff_ffff;
export const SECTOR_BYTES = 512;
/** Seconds from 1970 to 2000, where the time stamps of VHD begin. */
export const EPOCH_SECONDS = 946_684_800;

/** The ones' complement of the sum of all bytes, those of the checksum itself left out. */
export function checksumOf(bytes: Uint8Array, checksumAt: number): number {
  let sum = 0;
  for (const [at, byte] of bytes.entries()) {
    if (at < checksumAt || at >= checksumAt + 4) sum += byte;
  }
  return 0xffff_ffff - sum;
}
