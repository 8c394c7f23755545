/** On-disk structures of QED, little endian ("QED Image File Format Specification"). */
import { struct, u32le, u64le } from '@diskfile/bytes';

/** "QED\0". */
export const QED_MAGIC = 0x0044_4551;

/** "Header". The last two fields count only with the feature `backingFile`. */
export const qedHeader = struct('QED header', {
  magic: u32le,
  cluster_size: u32le,
  table_size: u32le,
  header_size: u32le,
  features_low: u32le,
  features_high: u32le,
  compat_features_low: u32le,
  compat_features_high: u32le,
  autoclear_features_low: u32le,
  autoclear_features_high: u32le,
  l1_table_offset: u64le,
  image_size: u64le,
  backing_filename_offset: u32le,
  backing_filename_size: u32le,
});

/** Bits of `features`: who does not know one of them cannot use the image. */
export const FEATURE = {
  backingFile: 0x01,
  /** The tables are to be checked before they are relied on. */
  needCheck: 0x02,
  /** The backing file is raw, whatever it looks like. */
  backingFormatNoProbe: 0x04,
} as const;

/** An entry of an L2 table for a cluster of zeros ("Zero data clusters"). */
export const ZERO_CLUSTER = 1;
