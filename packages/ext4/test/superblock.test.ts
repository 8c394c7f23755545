import { DEFAULT_LIMITS, MemoryStorage, runSync } from '@diskfile/core';
import { ext4Driver } from '@diskfile/ext4';
import { describe, expect, it } from 'vitest';
import { superblockChecksum } from '../src/checksum.ts';
import { FeatureSet } from '../src/features.ts';
import { descriptorBlock } from '../src/group-descriptor.ts';
import { ext4_super_block } from '../src/structs.ts';
import { groupHasSuperblock, parseSuperblock } from '../src/superblock.ts';
import { report, superblock, superblockBytes } from './support/builders.ts';

type Fields = NonNullable<Parameters<typeof superblockBytes>[0]>;

describe('superblocks', () => {
  const refused: [string, Fields, object][] = [
    ['another magic number', { s_magic: 0xef54 }, { code: 'corrupt' }],
    ['an unknown revision', { s_rev_level: 2 }, { code: 'unsupported', detail: 'ext4.revision' }],
    ['blocks of 128 KiB', { s_log_block_size: 7 }, { code: 'corrupt' }],
    ['no blocks', { s_blocks_count_lo: 0 }, { code: 'corrupt' }],
    ['groups without blocks', { s_blocks_per_group: 0 }, { code: 'corrupt' }],
    ['groups larger than their bitmap', { s_blocks_per_group: 8193 }, { code: 'corrupt' }],
    ['groups without inodes', { s_inodes_per_group: 0 }, { code: 'corrupt' }],
    ['more inodes than groups can hold', { s_inodes_count: 129 }, { code: 'corrupt' }],
    ['inodes of 200 bytes', { s_inode_size: 200 }, { code: 'corrupt' }],
    ['inodes larger than a block', { s_inode_size: 2048 }, { code: 'corrupt' }],
    ['descriptors of 48 bytes', { s_feature_incompat: 0xc2, s_desc_size: 48 }, { code: 'corrupt' }],
    [
      'more bytes than a number can count',
      { s_feature_incompat: 0xc2, s_desc_size: 64, s_blocks_count_hi: 2 ** 31 },
      { code: 'corrupt' },
    ],
    [
      'checksums of an unknown type',
      { s_feature_ro_compat: 0x400, s_checksum_type: 9 },
      { code: 'unsupported', detail: 'ext4.checksum-type' },
    ],
    [
      'the feature bits of an external journal',
      { s_feature_incompat: 0x8 },
      { code: 'unsupported', detail: 'ext4.journal-device' },
    ],
  ];

  it.each(refused)('with %s are refused', (_, changes, error) => {
    expect(() => parseSuperblock(superblockBytes(changes), report())).toThrow(
      expect.objectContaining({ hint: expect.anything(), ...error }),
    );
  });

  it('with unknown incompatible features are refused by the names of e2fsprogs', () => {
    const bytes = superblockBytes({ s_feature_incompat: 2 ** 31 + 0x1000 + 0x42 + 0x1 });
    expect(() => parseSuperblock(bytes, report())).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        detail: 'ext4.features',
        message: expect.stringMatching(/compression, dirdata, FEATURE_I31$/),
      }),
    );
  });

  it('with other unknown features are read', () => {
    const changes = { s_feature_ro_compat: 2 ** 30, s_feature_compat: 2 ** 29 };
    expect(superblock(changes).features.names()).toEqual([
      'FEATURE_C29',
      'filetype',
      'extent',
      'FEATURE_R30',
    ]);
  });

  it('of revision 0 have no features and inodes of 128 bytes', () => {
    const { features, inodeBytes } = superblock({ s_rev_level: 0, s_inode_size: 256 });
    expect(features.names()).toEqual([]);
    expect(inodeBytes).toBe(128);
  });

  it('have checksums that count in strict mode and are mentioned otherwise', () => {
    const bytes = superblockBytes({ s_feature_ro_compat: 0x400, s_checksum_type: 1 });
    const lenient = report();
    parseSuperblock(bytes, lenient);
    expect(lenient.warnings).toMatchObject([{ detail: 'ext4.superblock-checksum' }]);
    expect(() => parseSuperblock(bytes, report(true))).toThrow(
      expect.objectContaining({ code: 'corrupt', detail: 'ext4.superblock-checksum' }),
    );
    const { s_checksum: _, ...fields } = ext4_super_block.decode(bytes);
    ext4_super_block.encode({ ...fields, s_checksum: superblockChecksum(bytes) }, bytes);
    const clean = report(true);
    expect(parseSuperblock(bytes, clean).checksumKind).toBe('crc32c');
    expect(clean.warnings).toEqual([]);
  });

  it.each([
    ['ext2', 0, 0x2, 0x3],
    ['ext3', 0x4, 0x2 + 0x4, 0x1],
    ['ext4', 0x4, 0x42, 0],
    ['ext4', 0, 0x2, 0x8],
    ['ext4', 0, 0x42, 0],
  ])('make it %s with the features %i %i %i', (type, compat, incompat, roCompat) => {
    expect(new FeatureSet(compat, incompat, roCompat).type).toBe(type);
  });
});

describe('the driver', () => {
  it('recognises the magic number and nothing shorter', () => {
    const head = new Uint8Array(4096);
    head.set(superblockBytes(), 1024);
    expect(ext4Driver.probe(head)).toBe(true);
    expect(ext4Driver.probe(head.subarray(0, 1081))).toBe(false);
    expect(ext4Driver.probe(new Uint8Array(4096))).toBe(false);
    expect(ext4Driver.probe(new Uint8Array())).toBe(false);
  });

  it('refuses a disk that is too short', () => {
    const source = new MemoryStorage(new Uint8Array(1500));
    const mount = ext4Driver.mount({ source, limits: DEFAULT_LIMITS, strict: false });
    expect(() => runSync(mount)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });
});

describe('the place of group descriptors', () => {
  const metaBg = 0x42 + 0x10;

  it('is after the superblock', () => {
    expect(descriptorBlock(superblock(), 3)).toBe(5);
    const large = { s_log_block_size: 2, s_first_data_block: 0, s_blocks_per_group: 32768 };
    expect(descriptorBlock(superblock({ ...large, s_blocks_count_lo: 32768 }), 3)).toBe(4);
  });

  it('is in the first group of each meta group', () => {
    // 32 descriptors of 32 bytes to a block; groups 0, 32, 64 and 96 begin meta groups.
    const many = { s_blocks_count_lo: 8192 * 100, s_inodes_count: 12_800 };
    const sparse = superblock({ ...many, s_feature_incompat: metaBg, s_feature_ro_compat: 0x1 });
    expect(descriptorBlock(sparse, 0)).toBe(2);
    expect(descriptorBlock(sparse, 1)).toBe(1 + 32 * 8192);
    // Without sparse_super every group begins with a superblock.
    const full = superblock({ ...many, s_feature_incompat: metaBg });
    expect(descriptorBlock(full, 1)).toBe(2 + 32 * 8192);
    const mixed = superblock({ ...many, s_feature_incompat: metaBg, s_first_meta_bg: 2 });
    expect(descriptorBlock(mixed, 1)).toBe(3);
  });

  it('goes with the groups that hold a superblock', () => {
    const holders = (fields: Fields) =>
      Array.from({ length: 130 }, (_, n) => n).filter((n) =>
        groupHasSuperblock(superblock(fields), n),
      );
    expect(holders({ s_feature_ro_compat: 0x1 })).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    const two = { s_feature_compat: 0x200, s_backup_bgs_0: 1, s_backup_bgs_1: 99 };
    expect(holders(two)).toEqual([0, 1, 99]);
  });
});
