/**
 * On-disk structures of qcow version 1, all big endian: the predecessor of qcow2, described in
 * "The QCOW Image Format" (M. McLoughlin). The backing name's offset is split: without a name it may
 * be anything.
 */
import { struct, u8, u16be, u32be, u64be } from '@diskfile/bytes';

export const qcowHeader = struct('qcow header', {
  magic: u32be,
  version: u32be,
  backing_file_offset_high: u32be,
  backing_file_offset_low: u32be,
  backing_file_size: u32be,
  mtime: u32be,
  size: u64be,
  cluster_bits: u8,
  l2_bits: u8,
  padding: u16be,
  crypt_method: u32be,
  l1_table_offset: u64be,
});

/** "QFI\xfb". */
export const QCOW_MAGIC = 0x5146_49fb;
/** Values of `crypt_method`. */
export const CRYPT_METHOD = { none: 0, aes: 1 } as const;
