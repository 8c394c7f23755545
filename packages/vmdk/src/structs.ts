/**
 * On-disk structures of VMDK, little endian, under the names of VMware's "Virtual Disk Format 5.0"
 * technical note; sizes and offsets are in sectors of 512 bytes.
 */
import { blob, struct, u16le, u32le, u64le, u8 } from '@diskfile/bytes';

export const SECTOR_BYTES = 512;

/** "KDMV": the header of a hosted sparse extent. */
export const SPARSE_MAGIC = 0x564d_444b;
/** "COWD": the header of an ESX Server sparse extent. */
export const COWD_MAGIC = 0x4457_4f43;

/** Section "Hosted Sparse Extent Header". */
export const sparseExtentHeader = struct('VMDK sparse extent header', {
  magicNumber: u32le,
  version: u32le,
  flags: u32le,
  capacity: u64le,
  grainSize: u64le,
  descriptorOffset: u64le,
  descriptorSize: u64le,
  numGTEsPerGT: u32le,
  rgdOffset: u64le,
  /** All ones ({@link AT_END}) when the footer at the end of the file tells; split, since no number holds that. */
  gdOffsetLow: u32le,
  gdOffsetHigh: u32le,
  overHead: u64le,
  uncleanShutdown: u8,
  singleEndLineChar: u8,
  nonEndLineChar: u8,
  doubleEndLineChar1: u8,
  doubleEndLineChar2: u8,
  compressAlgorithm: u16le,
  pad: blob(433),
});

/** In both halves of the directory's offset: the footer tells. */
export const AT_END = 0xffff_ffff;

export const FLAG = {
  newLineTest: 0x1,
  useRedundantTable: 0x2,
  zeroedGrains: 0x4,
  compressed: 0x1_0000,
  markers: 0x2_0000,
} as const;
export const COMPRESSION = { none: 0, deflate: 1 } as const;

/** Section "ESX Server Sparse Extent Header": what of it matters. */
export const cowdHeader = struct('COWD header', {
  magicNumber: u32le,
  version: u32le,
  flags: u32le,
  numSectors: u32le,
  grainSize: u32le,
  gdOffset: u32le,
  numGDEntries: u32le,
  freeSector: u32le,
});
/** Grain table entries of an ESX Server sparse extent. */
export const COWD_TABLE_ENTRIES = 4096;

/** Precedes the compressed data of a grain (section "Stream-Optimized Compressed Sparse Extents"). */
export const grainMarker = struct('VMDK grain marker', {
  /** The grain's first sector on the disk. */
  val: u64le,
  /** Bytes of the data. */
  size: u32le,
});
export const GRAIN_MARKER_BYTES = grainMarker.spanBytes;
/** Precedes everything else in a stream: `val` sectors follow. */
export const metadataMarker = struct('VMDK metadata marker', {
  val: u64le,
  size: u32le,
  type: u32le,
});
export const MARKER = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;
/** A zlib stream begins with two bytes that a raw deflate stream does not have (RFC 1950). */
export const ZLIB_HEADER_BYTES = 2;

/** Bytes that a zlib stream of a grain takes at most, stored blocks and checksum included. */
export function longestStream(grainBytes: number): number {
  return grainBytes + Math.ceil(grainBytes / 128) + 64;
}

/** The constant header of a space-efficient sparse extent ("seSparse"), as far as reading goes. */
export const seSparseHeader = struct('seSparse header', {
  magicLow: u32le,
  magicHigh: u32le,
  versionLow: u32le,
  versionHigh: u32le,
  capacity: u64le,
  grainSize: u64le,
  grainTableSize: u64le,
  flags: u64le,
  reserved: blob(32),
  volatileHeaderOffset: u64le,
  volatileHeaderSize: u64le,
  journalHeaderOffset: u64le,
  journalHeaderSize: u64le,
  journalOffset: u64le,
  journalSize: u64le,
  grainDirOffset: u64le,
  grainDirSize: u64le,
  grainTablesOffset: u64le,
  grainTablesSize: u64le,
  freeBitmapOffset: u64le,
  freeBitmapSize: u64le,
  backmapOffset: u64le,
  backmapSize: u64le,
  grainsOffset: u64le,
  grainsSize: u64le,
});
export const SE_SPARSE_MAGIC = 0xcafe_babe;

/** The volatile header of a seSparse extent: whether its journal has to be replayed first. */
export const seSparseVolatileHeader = struct('seSparse volatile header', {
  magicLow: u32le,
  magicHigh: u32le,
  freeGtNumber: u64le,
  nextTxnSeqNumber: u64le,
  replayJournal: u64le,
});
export const SE_SPARSE_VOLATILE_MAGIC = 0xcafe_cafe;
