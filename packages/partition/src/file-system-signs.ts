/**
 * Telling the boot sector of a filesystem from a partition table. Both end in 55 AA.
 * Layouts: Microsoft FAT specification §3.1, exFAT specification §3.1, NTFS boot sector, and the
 * ext4 superblock of the Linux documentation.
 */
import { isPowerOfTwo, readU16le, readU32le } from '@diskfile/bytes';

/** How much of the start of a disk {@link holdsFileSystem} looks at. */
export const BOOT_AREA_BYTES = 2048;

const EXT_SUPERBLOCK = 1024;
const EXT_MAGIC = 0xef53;
/** 64 KiB, the largest block: 1024 << 6. */
const EXT_MAX_LOG_BLOCK_SIZE = 6;

/** Whether the first bytes of a disk look like FAT, NTFS, exFAT, ext2, ext3 or ext4. */
export function holdsFileSystem(bootArea: Uint8Array): boolean {
  return (
    hasText(bootArea, 3, 'NTFS    ') ||
    hasText(bootArea, 3, 'EXFAT   ') ||
    hasFatParameters(bootArea) ||
    hasExtSuperblock(bootArea)
  );
}

function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

/** The BIOS parameter block of FAT; it has no magic number, so every bounded field is checked. */
function hasFatParameters(bytes: Uint8Array): boolean {
  const jumps = (bytes[0] === 0xeb && bytes[2] === 0x90) || bytes[0] === 0xe9;
  const bytesPerSector = readU16le(bytes, 11);
  const sectorsPerCluster = bytes[13]!;
  const reservedSectors = readU16le(bytes, 14);
  const fatCount = bytes[16]!;
  const media = bytes[21]!;
  return (
    jumps &&
    isPowerOfTwo(bytesPerSector) &&
    bytesPerSector >= 512 &&
    bytesPerSector <= 4096 &&
    isPowerOfTwo(sectorsPerCluster) &&
    reservedSectors > 0 &&
    fatCount > 0 &&
    (media === 0xf0 || media >= 0xf8)
  );
}

function hasExtSuperblock(bytes: Uint8Array): boolean {
  if (bytes.length < BOOT_AREA_BYTES) return false;
  return (
    readU16le(bytes, EXT_SUPERBLOCK + 56) === EXT_MAGIC &&
    readU32le(bytes, EXT_SUPERBLOCK) > 0 &&
    readU32le(bytes, EXT_SUPERBLOCK + 24) <= EXT_MAX_LOG_BLOCK_SIZE
  );
}
