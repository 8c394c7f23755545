/** On-disk structures of UDIF, big endian, under the names of Apple's `UDIFResourceFile` and others. */
import { blob, struct, u32be, u64be } from '@diskfile/bytes';

/** "koly" */
export const TRAILER_SIGNATURE = 0x6b6f_6c79;
export const TRAILER_VERSION = 4;

/** UDIFChecksum: `size` counts bits. */
const checksum = { type: u32be, size: u32be, data: blob(128) } as const;

/** UDIFResourceFile, the last 512 bytes of an image, or the first. */
export const resourceFile = struct('UDIF trailer', {
  signature: u32be,
  version: u32be,
  headerSize: u32be,
  flags: u32be,
  runningDataForkOffset: u64be,
  dataForkOffset: u64be,
  dataForkLength: u64be,
  rsrcForkOffset: u64be,
  rsrcForkLength: u64be,
  segmentNumber: u32be,
  segmentCount: u32be,
  segmentID: blob(16),
  dataChecksumType: checksum.type,
  dataChecksumSize: checksum.size,
  dataChecksum: checksum.data,
  xmlOffset: u64be,
  xmlLength: u64be,
  reserved1: blob(120),
  masterChecksumType: checksum.type,
  masterChecksumSize: checksum.size,
  masterChecksum: checksum.data,
  imageVariant: u32be,
  sectorCount: u64be,
  reserved2: blob(12),
});

/** "mish" */
export const TABLE_SIGNATURE = 0x6d69_7368;
export const TABLE_VERSION = 1;

/** BLKXTable, before its chunks. */
export const blockTable = struct('UDIF block table', {
  signature: u32be,
  version: u32be,
  sectorNumber: u64be,
  sectorCount: u64be,
  dataOffset: u64be,
  buffersNeeded: u32be,
  blockDescriptors: u32be,
  reserved: blob(24),
  checksumType: checksum.type,
  checksumSize: checksum.size,
  checksum: checksum.data,
  numberOfBlockChunks: u32be,
});

/** BLKXChunkEntry; tables of them are decoded by hand. */
export const CHUNK_ENTRY = {
  spanBytes: 40,
  entryType: 0,
  sectorNumber: 8,
  sectorCount: 16,
  compressedOffset: 24,
  compressedLength: 32,
} as const;

export const ENTRY_TYPE = {
  zero: 0x0000_0000,
  raw: 0x0000_0001,
  /** Reads as zeros, and is left out of checksums: space that the filesystem does not use. */
  ignore: 0x0000_0002,
  comment: 0x7fff_fffe,
  adc: 0x8000_0004,
  zlib: 0x8000_0005,
  bzip2: 0x8000_0006,
  lzfse: 0x8000_0007,
  lzma: 0x8000_0008,
  terminator: 0xffff_ffff,
} as const;

export const CHECKSUM_NONE = 0;
export const CHECKSUM_CRC32 = 2;

export const SECTOR_BYTES = 512;
