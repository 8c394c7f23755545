/**
 * On-disk structures of ext2, ext3 and ext4, with the field names of the kernel's "ext4 Data
 * Structures and Algorithms" (chapters named at each). All integers are little endian.
 */
import { blob, struct, u8, u16le, u32le } from '@diskfile/bytes';

/** Where the primary superblock begins, whatever the block size. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;
export const EXT4_SUPER_MAGIC = 0xef53;

/** "Super Block". 64-bit counters that only inform are kept as halves: any value must decode. */
export const ext4_super_block = struct('ext4_super_block', {
  s_inodes_count: u32le,
  s_blocks_count_lo: u32le,
  s_r_blocks_count_lo: u32le,
  s_free_blocks_count_lo: u32le,
  s_free_inodes_count: u32le,
  s_first_data_block: u32le,
  s_log_block_size: u32le,
  s_log_cluster_size: u32le,
  s_blocks_per_group: u32le,
  s_clusters_per_group: u32le,
  s_inodes_per_group: u32le,
  s_mtime: u32le,
  s_wtime: u32le,
  s_mnt_count: u16le,
  s_max_mnt_count: u16le,
  s_magic: u16le,
  s_state: u16le,
  s_errors: u16le,
  s_minor_rev_level: u16le,
  s_lastcheck: u32le,
  s_checkinterval: u32le,
  s_creator_os: u32le,
  s_rev_level: u32le,
  s_def_resuid: u16le,
  s_def_resgid: u16le,
  s_first_ino: u32le,
  s_inode_size: u16le,
  s_block_group_nr: u16le,
  s_feature_compat: u32le,
  s_feature_incompat: u32le,
  s_feature_ro_compat: u32le,
  s_uuid: blob(16),
  s_volume_name: blob(16),
  s_last_mounted: blob(64),
  s_algorithm_usage_bitmap: u32le,
  s_prealloc_blocks: u8,
  s_prealloc_dir_blocks: u8,
  s_reserved_gdt_blocks: u16le,
  s_journal_uuid: blob(16),
  s_journal_inum: u32le,
  s_journal_dev: u32le,
  s_last_orphan: u32le,
  s_hash_seed: blob(16),
  s_def_hash_version: u8,
  s_jnl_backup_type: u8,
  s_desc_size: u16le,
  s_default_mount_opts: u32le,
  s_first_meta_bg: u32le,
  s_mkfs_time: u32le,
  s_jnl_blocks: blob(68),
  s_blocks_count_hi: u32le,
  s_r_blocks_count_hi: u32le,
  s_free_blocks_count_hi: u32le,
  s_min_extra_isize: u16le,
  s_want_extra_isize: u16le,
  s_flags: u32le,
  s_raid_stride: u16le,
  s_mmp_interval: u16le,
  s_mmp_block_lo: u32le,
  s_mmp_block_hi: u32le,
  s_raid_stripe_width: u32le,
  s_log_groups_per_flex: u8,
  s_checksum_type: u8,
  s_reserved_pad: u16le,
  s_kbytes_written_lo: u32le,
  s_kbytes_written_hi: u32le,
  s_snapshot: blob(20),
  s_error_count: u32le,
  s_error_details: blob(104),
  s_mount_opts: blob(64),
  s_usr_quota_inum: u32le,
  s_grp_quota_inum: u32le,
  s_overhead_blocks: u32le,
  s_backup_bgs_0: u32le,
  s_backup_bgs_1: u32le,
  s_encrypt_algos: blob(4),
  s_encrypt_pw_salt: blob(16),
  s_lpf_ino: u32le,
  s_prj_quota_inum: u32le,
  s_checksum_seed: u32le,
  s_wtime_hi: u8,
  s_mtime_hi: u8,
  s_mkfs_time_hi: u8,
  s_lastcheck_hi: u8,
  s_first_error_time_hi: u8,
  s_last_error_time_hi: u8,
  s_pad: blob(2),
  s_encoding: u16le,
  s_encoding_flags: u16le,
  s_orphan_file_inum: u32le,
  s_reserved: blob(376),
  s_checksum: u32le,
});

/** "Block Group Descriptors": offsets of the fields that reading needs. */
export const ext4_group_desc = {
  bg_inode_table_lo: 0x08,
  bg_free_blocks_count_lo: 0x0c,
  bg_free_inodes_count_lo: 0x0e,
  bg_checksum: 0x1e,
  bg_inode_table_hi: 0x28,
  bg_free_blocks_count_hi: 0x2c,
  bg_free_inodes_count_hi: 0x2e,
} as const;

/** "Index Nodes": offsets within an inode record. Decoded by hand, as it happens for each file. */
export const ext4_inode = {
  i_mode: 0x00,
  i_uid: 0x02,
  i_size_lo: 0x04,
  i_atime: 0x08,
  i_ctime: 0x0c,
  i_mtime: 0x10,
  i_dtime: 0x14,
  i_gid: 0x18,
  i_links_count: 0x1a,
  i_blocks_lo: 0x1c,
  i_flags: 0x20,
  i_block: 0x28,
  i_generation: 0x64,
  i_file_acl_lo: 0x68,
  i_size_high: 0x6c,
  l_i_blocks_high: 0x74,
  l_i_file_acl_high: 0x76,
  l_i_uid_high: 0x78,
  l_i_gid_high: 0x7a,
  l_i_checksum_lo: 0x7c,
  i_extra_isize: 0x80,
  i_checksum_hi: 0x82,
  i_ctime_extra: 0x84,
  i_mtime_extra: 0x88,
  i_atime_extra: 0x8c,
  i_crtime: 0x90,
  i_crtime_extra: 0x94,
  i_projid: 0x9c,
} as const;

/** Bytes of `i_block`: block map, extent root, inline data, symlink target or device number. */
export const I_BLOCK_BYTES = 60;
/** Size of an inode of revision 0, and where the extra fields of larger ones begin. */
export const GOOD_OLD_INODE_BYTES = 128;

/** "The Contents of inode.i_block", extent tree. */
export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_HEADER_BYTES = 12;
export const EXTENT_ENTRY_BYTES = 12;
/** Deepest tree that 2^32 file blocks can need. */
export const EXTENT_MAX_DEPTH = 5;
/** `ee_len` above this marks an extent that is allocated but not written. */
export const EXTENT_INIT_MAX_BLOCKS = 32768;

/** "Extended Attributes". */
export const XATTR_MAGIC = 0xea02_0000;
export const XATTR_BLOCK_HEADER_BYTES = 32;
export const XATTR_IBODY_HEADER_BYTES = 4;
export const XATTR_ENTRY_BYTES = 16;

/** The root directory's inode. */
export const ROOT_INODE = 2;
/** File blocks are 32-bit numbers, so no file has more. */
export const MAX_FILE_BLOCKS = 2 ** 32;
