/** The header of a VDI file, version 1.1, little endian, under the names that VirtualBox gives. */
import { blob, struct, u32le, u64le } from '@diskfile/bytes';

/** Follows 64 bytes of text for people. */
export const VDI_SIGNATURE = 0xbeda_107f;
export const VDI_VERSION = 0x0001_0001;

/** "VDIPREHEADER": what every version begins with. */
export const preHeader = struct('VDI pre-header', {
  szFileInfo: blob(64),
  u32Signature: u32le,
  u32Version: u32le,
});

/** "VDIHEADER1": what follows it in version 1. */
export const header1 = struct('VDI header', {
  cbHeader: u32le,
  u32Type: u32le,
  fFlags: u32le,
  szComment: blob(256),
  offBlocks: u32le,
  offData: u32le,
  cCylinders: u32le,
  cHeads: u32le,
  cSectors: u32le,
  cbSector: u32le,
  u32Dummy: u32le,
  cbDisk: u64le,
  cbBlock: u32le,
  cbBlockExtra: u32le,
  cBlocks: u32le,
  cBlocksAllocated: u32le,
  uuidCreate: blob(16),
  uuidModify: blob(16),
  uuidLinkage: blob(16),
  uuidParentModify: blob(16),
});

export const IMAGE_TYPE = { normal: 1, fixed: 2, undo: 3, diff: 4 } as const;

/** Entries of the block map that stand for no block. */
export const BLOCK_FREE = 0xffff_ffff;
export const BLOCK_ZERO = 0xffff_fffe;
