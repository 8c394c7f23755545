/** The superblock, validated: geometry, features and identity of the filesystem. */
import { crc32cRaw, decodeFixedText, formatUuid, isAllZero, isPowerOfTwo } from '@diskfile/bytes';
import { type ChecksumKind, superblockChecksum } from './checksum.ts';
import { COMPAT, FeatureSet, INCOMPAT, RO_COMPAT } from './features.ts';
import type { Report } from './report.ts';
import {
  EXT4_SUPER_MAGIC,
  ext4_super_block,
  GOOD_OLD_INODE_BYTES,
  SUPERBLOCK_OFFSET,
} from './structs.ts';

const MAX_LOG_BLOCK_SIZE = 6;
/** 2^29 bytes: the largest clusters that mke2fs makes. */
const MAX_LOG_CLUSTER_SIZE = 19;
const GOOD_OLD_DESCRIPTOR_BYTES = 32;
const MIN_64BIT_DESCRIPTOR_BYTES = 64;
const MAX_DESCRIPTOR_BYTES = 1024;
const CHECKSUM_TYPE_CRC32C = 1;
const CREATOR_OS_HURD = 1;

type Fields = ReturnType<typeof ext4_super_block.decode>;

/** Sizes and counts by which everything else is found, consistent with each other. */
export interface Geometry {
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly blocksPerCluster: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groupCount: number;
  readonly inodeCount: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
}

export interface Superblock extends Geometry {
  readonly features: FeatureSet;
  readonly uuidBytes: Uint8Array;
  readonly uuid: string;
  readonly label: string;
  readonly checksumKind: ChecksumKind;
  /** What metadata checksums start from; also that of large attribute values without checksums. */
  readonly checksumSeed: number;
  /** Groups that hold a backup superblock, where `sparse_super2` names them. */
  readonly backupGroups: readonly [number, number];
  readonly freeBlocks: number;
  readonly reservedBlocks: number;
  /** Whether fields of inodes that only Linux has may be believed. */
  readonly createdByHurd: boolean;
  /** The decoded struct, for what is only shown. */
  readonly fields: Fields;
}

/** @param bytes the 1024 bytes of the superblock */
export function parseSuperblock(bytes: Uint8Array, report: Report): Superblock {
  const fields = ext4_super_block.decode(bytes);
  if (fields.s_magic !== EXT4_SUPER_MAGIC) {
    throw bad(report, 's_magic', 'There is no ext2, ext3 or ext4 superblock');
  }
  const features = parseFeatures(fields, report);
  const geometry = parseGeometry(fields, features, report);
  const checksumKind = parseChecksumKind(fields, features, report);
  if (checksumKind === 'crc32c' && superblockChecksum(bytes) !== fields.s_checksum) {
    report.damage('superblock-checksum', 'The checksum of the superblock does not fit', {
      offset: SUPERBLOCK_OFFSET + ext4_super_block.offsetOf('s_checksum'),
    });
  }
  const is64 = features.hasIncompat(INCOMPAT.BIT64);
  return {
    ...geometry,
    features,
    uuidBytes: fields.s_uuid,
    uuid: isAllZero(fields.s_uuid) ? '' : formatUuid(fields.s_uuid),
    label: decodeFixedText(fields.s_volume_name),
    checksumKind,
    checksumSeed: features.hasIncompat(INCOMPAT.CSUM_SEED)
      ? fields.s_checksum_seed
      : crc32cRaw(fields.s_uuid, 0xffff_ffff),
    backupGroups: [fields.s_backup_bgs_0, fields.s_backup_bgs_1],
    freeBlocks: wide(fields.s_free_blocks_count_lo, fields.s_free_blocks_count_hi, is64),
    reservedBlocks: wide(fields.s_r_blocks_count_lo, fields.s_r_blocks_count_hi, is64),
    createdByHurd: fields.s_creator_os === CREATOR_OS_HURD,
    fields,
  };
}

function parseFeatures(fields: Fields, report: Report): FeatureSet {
  // Revision 0 has no feature words.
  if (fields.s_rev_level === 0) return new FeatureSet(0, 0, 0);
  if (fields.s_rev_level > 1) {
    throw report.unsupported(
      'revision',
      `The filesystem has revision ${fields.s_rev_level}; 0 and 1 are known`,
    );
  }
  const { s_feature_compat, s_feature_incompat, s_feature_ro_compat } = fields;
  const features = new FeatureSet(s_feature_compat, s_feature_incompat, s_feature_ro_compat);
  if (features.hasIncompat(INCOMPAT.JOURNAL_DEV)) {
    throw report.unsupported(
      'journal-device',
      'This is the external journal of a filesystem, not a filesystem',
      { hint: 'Open the disk or partition that holds the filesystem itself.' },
    );
  }
  const unreadable = features.unreadableNames();
  if (unreadable.length > 0) {
    throw report.unsupported(
      'features',
      `The filesystem has features that cannot be read here: ${unreadable.join(', ')}`,
      { offset: SUPERBLOCK_OFFSET + ext4_super_block.offsetOf('s_feature_incompat') },
    );
  }
  return features;
}

function parseGeometry(fields: Fields, features: FeatureSet, report: Report): Geometry {
  const blockBytes = parseBlockBytes(fields, report);
  const blocksPerCluster = parseBlocksPerCluster(fields, features, report);
  const blockCount = wide(
    fields.s_blocks_count_lo,
    fields.s_blocks_count_hi,
    features.hasIncompat(INCOMPAT.BIT64),
  );
  if (!Number.isSafeInteger(blockCount * blockBytes)) {
    throw bad(report, 's_blocks_count_hi', `${blockCount} blocks are more than can be addressed`);
  }
  const { s_first_data_block, s_blocks_per_group, s_inodes_count, s_inodes_per_group } = fields;
  if (s_first_data_block >= blockCount) {
    throw bad(
      report,
      's_first_data_block',
      `First data block ${s_first_data_block} of ${blockCount}`,
    );
  }
  if (s_blocks_per_group === 0 || s_blocks_per_group > blockBytes * 8 * blocksPerCluster) {
    throw bad(report, 's_blocks_per_group', `${s_blocks_per_group} blocks in a group`);
  }
  if (s_inodes_per_group === 0 || s_inodes_per_group > blockBytes * 8) {
    throw bad(report, 's_inodes_per_group', `${s_inodes_per_group} inodes in a group`);
  }
  const groupCount = Math.ceil((blockCount - s_first_data_block) / s_blocks_per_group);
  if (s_inodes_count === 0 || s_inodes_count > groupCount * s_inodes_per_group) {
    throw bad(report, 's_inodes_count', `${s_inodes_count} inodes in ${groupCount} groups`);
  }
  return {
    blockBytes,
    blockCount,
    blocksPerCluster,
    firstDataBlock: s_first_data_block,
    blocksPerGroup: s_blocks_per_group,
    groupCount,
    inodeCount: s_inodes_count,
    inodesPerGroup: s_inodes_per_group,
    inodeBytes: parseInodeBytes(fields, blockBytes, report),
    descriptorBytes: parseDescriptorBytes(fields, features, report),
  };
}

function parseBlockBytes(fields: Fields, report: Report): number {
  if (fields.s_log_block_size <= MAX_LOG_BLOCK_SIZE) return 2 ** (10 + fields.s_log_block_size);
  throw bad(report, 's_log_block_size', `Blocks of 2^${10 + fields.s_log_block_size} bytes`);
}

function parseBlocksPerCluster(fields: Fields, features: FeatureSet, report: Report): number {
  if (!features.hasRoCompat(RO_COMPAT.BIGALLOC)) return 1;
  const exponent = fields.s_log_cluster_size - fields.s_log_block_size;
  if (exponent >= 0 && fields.s_log_cluster_size <= MAX_LOG_CLUSTER_SIZE) return 2 ** exponent;
  throw bad(report, 's_log_cluster_size', `Clusters of 2^${10 + fields.s_log_cluster_size} bytes`);
}

function parseInodeBytes(fields: Fields, blockBytes: number, report: Report): number {
  if (fields.s_rev_level === 0) return GOOD_OLD_INODE_BYTES;
  const size = fields.s_inode_size;
  if (isPowerOfTwo(size) && size >= GOOD_OLD_INODE_BYTES && size <= blockBytes) return size;
  throw bad(report, 's_inode_size', `Inodes of ${size} bytes in blocks of ${blockBytes}`);
}

function parseDescriptorBytes(fields: Fields, features: FeatureSet, report: Report): number {
  if (!features.hasIncompat(INCOMPAT.BIT64)) return GOOD_OLD_DESCRIPTOR_BYTES;
  const size = fields.s_desc_size;
  const bounded = size >= MIN_64BIT_DESCRIPTOR_BYTES && size <= MAX_DESCRIPTOR_BYTES;
  if (bounded && isPowerOfTwo(size)) return size;
  throw bad(report, 's_desc_size', `Group descriptors of ${size} bytes`);
}

function parseChecksumKind(fields: Fields, features: FeatureSet, report: Report): ChecksumKind {
  if (!features.hasRoCompat(RO_COMPAT.METADATA_CSUM)) {
    return features.hasRoCompat(RO_COMPAT.GDT_CSUM) ? 'crc16' : 'none';
  }
  if (fields.s_checksum_type === CHECKSUM_TYPE_CRC32C) return 'crc32c';
  throw report.unsupported(
    'checksum-type',
    `Metadata checksums are of the unknown type ${fields.s_checksum_type}`,
    { offset: SUPERBLOCK_OFFSET + ext4_super_block.offsetOf('s_checksum_type') },
  );
}

function wide(low: number, high: number, is64: boolean): number {
  return is64 ? high * 2 ** 32 + low : low;
}

function bad(report: Report, field: keyof Fields & string, message: string) {
  return report.corrupt('superblock', `${message} (${field})`, {
    offset: SUPERBLOCK_OFFSET + ext4_super_block.offsetOf(field),
  });
}

/**
 * Whether a group begins with a copy of the superblock and of the descriptors ("Super Block"):
 * all do, or with `sparse_super` only 0, 1 and powers of 3, 5 and 7.
 */
export function groupHasSuperblock(superblock: Superblock, group: number): boolean {
  if (group === 0) return true;
  const { features } = superblock;
  if (features.hasCompat(COMPAT.SPARSE_SUPER2)) return superblock.backupGroups.includes(group);
  if (group === 1 || !features.hasRoCompat(RO_COMPAT.SPARSE_SUPER)) return true;
  return [3, 5, 7].some((base) => isPowerOf(group, base));
}

function isPowerOf(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}
