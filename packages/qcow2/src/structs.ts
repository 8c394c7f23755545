/**
 * On-disk structures of qcow2, all big endian, under the names of the specification (QEMU manual,
 * "Qcow2 Image File Format"). 64-bit flag fields are split: `_high` holds bits 32 to 63.
 */
import { blob, struct, u8, u16be, u32be, u64be } from '@diskfile/bytes';

/** "QFI" and 0xfb, common to all versions of qcow. */
export const QCOW_MAGIC = 0x5146_49fb;

/** Section "Header": the part that version 2 has. */
export const headerV2 = struct('qcow2 header', {
  magic: u32be,
  version: u32be,
  backing_file_offset: u64be,
  backing_file_size: u32be,
  cluster_bits: u32be,
  size: u64be,
  crypt_method: u32be,
  l1_size: u32be,
  l1_table_offset: u64be,
  refcount_table_offset: u64be,
  refcount_table_clusters: u32be,
  nb_snapshots: u32be,
  snapshots_offset_high: u32be,
  snapshots_offset_low: u32be,
});

/** Section "Header": what version 3 adds, from byte 72 on. */
export const headerV3 = struct('qcow2 version 3 header', {
  incompatible_features_high: u32be,
  incompatible_features_low: u32be,
  compatible_features_high: u32be,
  compatible_features_low: u32be,
  autoclear_features_high: u32be,
  autoclear_features_low: u32be,
  refcount_order: u32be,
  header_length: u32be,
});

/** Section "Header extensions": what precedes the data of each. */
export const extensionHeader = struct('qcow2 header extension', { type: u32be, length: u32be });

/** Section "Feature name table": one entry; `name` is padded with zeros. */
export const featureName = struct('qcow2 feature name', {
  type: u8,
  bit: u8,
  name: blob(46),
});

/** Section "Bitmaps extension". */
export const bitmapsExtension = struct('qcow2 bitmaps extension', {
  nb_bitmaps: u32be,
  reserved: u32be,
  bitmap_directory_size: u64be,
  bitmap_directory_offset: u64be,
});

/** Section "Full disk encryption header pointer". */
export const encryptionHeaderPointer = struct('qcow2 encryption header pointer', {
  offset: u64be,
  length: u64be,
});

/** Section "Bitmap directory": the fixed part of an entry. */
export const bitmapDirectoryEntry = struct('qcow2 bitmap directory entry', {
  bitmap_table_offset: u64be,
  bitmap_table_size: u32be,
  flags: u32be,
  type: u8,
  granularity_bits: u8,
  name_size: u16be,
  extra_data_size: u32be,
});

/**
 * Section "Snapshots": the fixed part of a table entry. The clock is split because it counts
 * nanoseconds and so passes 2^53 after 104 days.
 */
export const snapshotHeader = struct('qcow2 snapshot', {
  // In two halves, so that one that is beyond all files spoils its own snapshot alone.
  l1_table_offset_high: u32be,
  l1_table_offset_low: u32be,
  l1_size: u32be,
  id_str_size: u16be,
  name_size: u16be,
  date_sec: u32be,
  date_nsec: u32be,
  vm_clock_nsec_high: u32be,
  vm_clock_nsec_low: u32be,
  vm_state_size: u32be,
  extra_data_size: u32be,
});
