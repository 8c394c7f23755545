/**
 * EWF version 1 on disk, little endian. Names are those of "Expert Witness Compression Format
 * specification" (libewf project), section 3; each struct ends in the Adler-32 of what precedes it.
 */
import { blob, struct, u16le, u32le, u64le, u8 } from '@diskfile/bytes';

/** Section 3.1, "File header". */
export const fileHeader = struct('EWF file header', {
  signature: blob(8),
  fields_start: u8,
  segment_number: u16le,
  fields_end: u16le,
});

/** Section 3.2, "Section descriptor". */
export const sectionDescriptor = struct('EWF section descriptor', {
  type: blob(16),
  next_offset: u64le,
  section_size: u64le,
  padding: blob(40),
  checksum: u32le,
});

/** "Volume section", as EnCase writes it; "disk" and "data" sections are alike. */
export const volume = struct('EWF volume', {
  media_type: u8,
  unknown1: blob(3),
  number_of_chunks: u32le,
  sectors_per_chunk: u32le,
  bytes_per_sector: u32le,
  number_of_sectors: u64le,
  chs_cylinders: u32le,
  chs_heads: u32le,
  chs_sectors: u32le,
  media_flags: u8,
  unknown2: blob(3),
  palm_volume_start_sector: u32le,
  unknown3: blob(4),
  smart_logs_start_sector: u32le,
  compression_level: u8,
  unknown4: blob(3),
  error_granularity: u32le,
  unknown5: blob(4),
  set_identifier: blob(16),
  unknown6: blob(963),
  signature: blob(5),
  checksum: u32le,
});

/** "Volume section" of the EWF-S01 format, as SMART writes it. */
export const smartVolume = struct('EWF-S01 volume', {
  unknown1: u32le,
  number_of_chunks: u32le,
  sectors_per_chunk: u32le,
  bytes_per_sector: u32le,
  number_of_sectors: u32le,
  unknown2: blob(20),
  padding: blob(45),
  signature: blob(5),
  checksum: u32le,
});

/** "Table section": what precedes the entries. */
export const tableHeader = struct('EWF table header', {
  number_of_entries: u32le,
  padding1: blob(4),
  base_offset: u64le,
  padding2: blob(4),
  checksum: u32le,
});

/** "Hash section". */
export const hashSection = struct('EWF hash', {
  md5: blob(16),
  unknown: blob(16),
  checksum: u32le,
});

/** "Digest section". */
export const digestSection = struct('EWF digest', {
  md5: blob(16),
  sha1: blob(20),
  padding: blob(40),
  checksum: u32le,
});

/** "Error2 section": what precedes the entries. */
export const error2Header = struct('EWF error2 header', {
  number_of_entries: u32le,
  unknown: blob(512),
  checksum: u32le,
});
