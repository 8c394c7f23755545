/**
 * On-disk structures of VHDX, little endian, under the names of Microsoft's open specification
 * [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".
 */
import { blob, struct, u16le, u32le, u64le } from '@diskfile/bytes';

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** Unit of the log and of what it protects. */
export const LOG_SECTOR_BYTES = 4 * KIB;

/** Section 2.2.1 "File Type Identifier". */
export const FILE_SIGNATURE = 'vhdxfile';
/** Section 2.2 "Header Section": where its parts lie. */
export const PLACES = {
  headers: [64 * KIB, 128 * KIB],
  regionTables: [192 * KIB, 256 * KIB],
  /** The first byte that a region or a block may take. */
  end: MIB,
} as const;

/** Section 2.2.2 "Headers"; what follows to 4 KiB is reserved. */
export const vhdxHeader = struct('VHDX header', {
  signature: blob(4),
  checksum: u32le,
  sequenceNumber: u64le,
  fileWriteGuid: blob(16),
  dataWriteGuid: blob(16),
  logGuid: blob(16),
  logVersion: u16le,
  version: u16le,
  logLength: u32le,
  logOffset: u64le,
});
export const HEADER_BYTES = 4 * KIB;

/** Section 2.2.3.1 "Region Table Header". */
export const regionTableHeader = struct('VHDX region table', {
  signature: blob(4),
  checksum: u32le,
  entryCount: u32le,
  reserved: u32le,
});
export const REGION_TABLE_BYTES = 64 * KIB;

/** Section 2.2.3.2 "Region Table Entry". */
export const regionTableEntry = struct('VHDX region', {
  guid: blob(16),
  fileOffset: u64le,
  length: u32le,
  required: u32le,
});

export const REGION = {
  bat: '2DC27766-F623-4200-9D64-115E9BFD4A08',
  metadata: '8B7CA206-4790-4B9A-B8FE-575F050F886E',
} as const;

/** Section 2.3.1.1 "Entry Header" of the log. */
export const logEntryHeader = struct('VHDX log entry', {
  signature: blob(4),
  checksum: u32le,
  entryLength: u32le,
  tail: u32le,
  sequenceNumber: u64le,
  descriptorCount: u32le,
  reserved: u32le,
  logGuid: blob(16),
  flushedFileOffset: u64le,
  lastFileOffset: u64le,
});

/** Sections 2.3.1.2 and 2.3.1.3: a "zero" or "data" descriptor of the log. */
export const logDescriptor = struct('VHDX log descriptor', {
  signature: blob(4),
  trailingBytes: blob(4),
  /** Leading bytes of a data sector, or the length of a run of zeros. */
  leadingBytes: blob(8),
  fileOffset: u64le,
  sequenceNumber: u64le,
});

/** Section 2.6.1.1 "Metadata Table Header". */
export const metadataTableHeader = struct('VHDX metadata table', {
  signature: blob(8),
  reserved: u16le,
  entryCount: u16le,
  reserved2: blob(20),
});

/** Section 2.6.1.2 "Metadata Table Entry". */
export const metadataTableEntry = struct('VHDX metadata entry', {
  itemId: blob(16),
  offset: u32le,
  length: u32le,
  flags: u32le,
  reserved2: u32le,
});
export const METADATA_FLAG = { isUser: 1, isVirtualDisk: 2, isRequired: 4 } as const;
/** Items begin behind the table. */
export const METADATA_TABLE_BYTES = 64 * KIB;
/** From the start of the metadata to the first block: QEMU leaves room there. */
export const METADATA_ROOM_BYTES = 5 * MIB;

/** Section 2.6.2 "Known Metadata Items". */
export const ITEM = {
  fileParameters: 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B',
  virtualDiskSize: '2FA54224-CD1B-4876-B211-5DBED83BF4B8',
  virtualDiskId: 'BECA12AB-B2E6-4523-93EF-C309E000C746',
  logicalSectorSize: '8141BF1D-A96F-4709-BA47-F233A8FAAB5F',
  physicalSectorSize: 'CDA348C7-445D-4471-9CC9-E9885251C556',
  parentLocator: 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C',
} as const;
export const FILE_PARAMETER = { leaveBlocksAllocated: 1, hasParent: 2 } as const;

/** Section 2.6.2.6 "Parent Locator": its header. */
export const parentLocatorHeader = struct('VHDX parent locator', {
  locatorType: blob(16),
  reserved: u16le,
  keyValueCount: u16le,
});
/** Section 2.6.2.6.2 "Parent Locator Entry". */
export const parentLocatorEntry = struct('VHDX parent locator entry', {
  keyOffset: u32le,
  valueOffset: u32le,
  keyLength: u16le,
  valueLength: u16le,
});
export const VHDX_LOCATOR = 'B04AEFB7-D19E-4A81-B789-25B8E9445913';

/** Section 2.5.1.1 "Payload BAT Entry States". */
export const PAYLOAD = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  /** The same in version 0.95 of the specification, by which Windows 8 and Server 2012 went at first. */
  unmappedBefore: 5,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;
/** Section 2.5.1.2 "Sector Bitmap BAT Entry States". */
export const BITMAP_PRESENT = 6;
