/**
 * On-disk structures of redologs (Bochs Developers Guide, "Harddisk images"; the names are those of
 * its headers).
 */
import { blob, struct, u32le, u64le } from '@diskfile/bytes';

export const SECTOR_BYTES = 512;
export const MAGIC = 'Bochs Virtual HD Image';
export const VERSION_1 = 0x0001_0000;
export const VERSION_2 = 0x0002_0000;
/** An extent that is not there. */
export const NOT_ALLOCATED = 0xffff_ffff;

/** What both versions begin with. */
export const STANDARD_HEADER = struct('redolog header', {
  magic: blob(32),
  type: blob(16),
  subtype: blob(16),
  version: u32le,
  header: u32le,
  /** Entries of the catalog. */
  catalog: u32le,
  /** Bytes of the bitmap before each extent. */
  bitmap: u32le,
  /** Bytes of an extent. */
  extent: u32le,
});

export const SPECIFIC_V1 = struct('redolog header of version 1', { disk: u64le });
export const SPECIFIC_V2 = struct('redolog header of version 2', { timestamp: u32le, disk: u64le });
