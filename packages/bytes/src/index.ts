/** Bytes of disk formats: structs, checked integers, checksums, text, and the error class. */
export { adler32 } from './adler32.ts';
export { alignDown, alignUp, divideUp, isAligned, isPowerOfTwo, powerOfTwo } from './alignment.ts';
export { countUpTo } from './ascending.ts';
export {
  addBitmap,
  clearBitmapBits,
  isAllOnes,
  nextClearBit,
  nextSetBit,
  setBitmapBits,
  testBitmapBit,
} from './bitmap.ts';
export { builtinModule } from './builtin-module.ts';
export { crc16Raw } from './crc16.ts';
export { crc32, crc32BigEndianRaw, crc32c, crc32cRaw, crc32Raw } from './crc32.ts';
export { CRC64_START, type Crc64, crc64, crc64Raw } from './crc64.ts';
export {
  DISK_ERROR_ERRNO,
  DiskError,
  type DiskErrorCode,
  type DiskErrorContext,
  type DiskErrorOptions,
} from './disk-error.ts';
export { formatGuid, formatUuid, parseGuid, parseUuid, randomUuid, toHex } from './guid.ts';
export {
  bitField,
  clearBits,
  hasAnyBit,
  joinU64,
  maskBits,
  readU16be,
  readU16le,
  readU32be,
  readU32le,
  readU64be,
  readU64le,
  setBits,
  testBit,
  writeU16be,
  writeU16le,
  writeU32be,
  writeU32le,
  writeU64be,
  writeU64le,
  xorBits,
} from './integers.ts';
export {
  blob,
  type Field,
  i32be,
  i32le,
  struct,
  type Struct,
  type StructValue,
  u8,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
} from './struct.ts';
export {
  decodeFixedText,
  decodeName,
  decodeUtf16be,
  decodeUtf16le,
  encodeName,
  encodeUtf16be,
  encodeUtf16le,
} from './text.ts';
export { expandTweaks, xorInto } from './tweaks.ts';
export { isAllZero } from './zeros.ts';
export { xxh32, Xxh32, Xxh64, xxh64Low } from './xxhash.ts';
export {
  brokenZstd,
  isSkippableMagic,
  readZstdBlock,
  readZstdFrame,
  readZstdHeader,
  ZSTD_BLOCK_HEADER_BYTES,
  ZSTD_MAGIC,
  ZSTD_MAX_BLOCK_BYTES,
  ZSTD_MAX_HEADER_BYTES,
  type ZstdFrame,
  type ZstdHeader,
  zstdHeaderBytes,
} from './zstd-frame.ts';
