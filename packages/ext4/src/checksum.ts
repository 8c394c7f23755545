/** Metadata checksums ("Checksums" chapter): CRC-32C chained from a seed, and the older CRC-16. */
import { crc16Raw, crc32cRaw, maskBits, readU16le, writeU32le } from '@diskfile/bytes';
import { ext4_group_desc, ext4_inode, GOOD_OLD_INODE_BYTES } from './structs.ts';

/** `none`, `crc16` for group descriptors only (gdt_csum), `crc32c` everywhere (metadata_csum). */
export type ChecksumKind = 'none' | 'crc16' | 'crc32c';

const ZEROS = new Uint8Array(4);
const scratch = new Uint8Array(4);

/** The register after a 32-bit little-endian number. */
export function crc32cU32le(value: number, register: number): number {
  writeU32le(scratch, 0, value);
  return crc32cRaw(scratch, register);
}

/** The register after bytes of which `[at, at + length)` counts as zeros. */
export function crc32cWithHole(
  bytes: Uint8Array,
  at: number,
  length: number,
  register: number,
): number {
  const before = crc32cRaw(bytes.subarray(0, at), register);
  const hole = crc32cRaw(ZEROS.subarray(0, length), before);
  return crc32cRaw(bytes.subarray(at + length), hole);
}

/** Checksum of a superblock: everything before its last field, from all ones. */
export function superblockChecksum(superblock: Uint8Array): number {
  return crc32cRaw(superblock.subarray(0, superblock.length - 4), 0xffff_ffff);
}

/** Seed for what belongs to an inode: extent blocks, directory blocks and the inode itself. */
export function inodeSeed(seed: number, inodeNumber: number, generation: number): number {
  return crc32cU32le(generation, crc32cU32le(inodeNumber, seed));
}

/**
 * Checksum of an inode record, all 32 bits.
 * @param withHigh whether the record has an `i_checksum_hi`
 */
export function inodeChecksum(record: Uint8Array, seed: number, withHigh: boolean): number {
  const old = record.subarray(0, GOOD_OLD_INODE_BYTES);
  const low = crc32cWithHole(old, ext4_inode.l_i_checksum_lo, 2, seed);
  const extra = record.subarray(GOOD_OLD_INODE_BYTES);
  if (!withHigh) return crc32cRaw(extra, low);
  return crc32cWithHole(extra, ext4_inode.i_checksum_hi - GOOD_OLD_INODE_BYTES, 2, low);
}

/** Whether a group descriptor's `bg_checksum` fits the rest of it. */
export function groupChecksumFits(
  kind: ChecksumKind,
  descriptor: Uint8Array,
  group: number,
  seed: number,
  uuid: Uint8Array,
): boolean {
  const stored = readU16le(descriptor, ext4_group_desc.bg_checksum);
  if (kind === 'none') return true;
  if (kind === 'crc32c') {
    const register = crc32cU32le(group, seed);
    const sum = crc32cWithHole(descriptor, ext4_group_desc.bg_checksum, 2, register);
    return maskBits(sum, 0xffff) === stored;
  }
  writeU32le(scratch, 0, group);
  const prefix = crc16Raw(scratch, crc16Raw(uuid, 0xffff));
  const head = crc16Raw(descriptor.subarray(0, ext4_group_desc.bg_checksum), prefix);
  return crc16Raw(descriptor.subarray(ext4_group_desc.bg_checksum + 2), head) === stored;
}
