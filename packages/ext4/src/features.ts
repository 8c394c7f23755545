/** Feature words of the superblock and the names by which e2fsprogs prints their bits. */
import { hasAnyBit, testBit } from '@diskfile/bytes';

export const COMPAT = {
  HAS_JOURNAL: 0x4,
  SPARSE_SUPER2: 0x200,
  ORPHAN_FILE: 0x1000,
} as const;

export const INCOMPAT = {
  FILETYPE: 0x2,
  RECOVER: 0x4,
  JOURNAL_DEV: 0x8,
  META_BG: 0x10,
  EXTENTS: 0x40,
  BIT64: 0x80,
  MMP: 0x100,
  FLEX_BG: 0x200,
  EA_INODE: 0x400,
  CSUM_SEED: 0x2000,
  LARGEDIR: 0x4000,
  INLINE_DATA: 0x8000,
  ENCRYPT: 0x1_0000,
  CASEFOLD: 0x2_0000,
} as const;

export const RO_COMPAT = {
  SPARSE_SUPER: 0x1,
  LARGE_FILE: 0x2,
  BTREE_DIR: 0x4,
  HUGE_FILE: 0x8,
  GDT_CSUM: 0x10,
  BIGALLOC: 0x200,
  METADATA_CSUM: 0x400,
  PROJECT: 0x2000,
  ORPHAN_PRESENT: 0x1_0000,
} as const;

/** Names by bit number; what is missing prints as `FEATURE_C5`, `FEATURE_I31` or `FEATURE_R9`. */
const COMPAT_NAMES: Readonly<Record<number, string>> = {
  0: 'dir_prealloc',
  1: 'imagic_inodes',
  2: 'has_journal',
  3: 'ext_attr',
  4: 'resize_inode',
  5: 'dir_index',
  6: 'lazy_bg',
  8: 'snapshot_bitmap',
  9: 'sparse_super2',
  10: 'fast_commit',
  11: 'stable_inodes',
  12: 'orphan_file',
};

const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  0: 'compression',
  1: 'filetype',
  2: 'needs_recovery',
  3: 'journal_dev',
  4: 'meta_bg',
  6: 'extent',
  7: '64bit',
  8: 'mmp',
  9: 'flex_bg',
  10: 'ea_inode',
  12: 'dirdata',
  13: 'metadata_csum_seed',
  14: 'large_dir',
  15: 'inline_data',
  16: 'encrypt',
  17: 'casefold',
};

const RO_COMPAT_NAMES: Readonly<Record<number, string>> = {
  0: 'sparse_super',
  1: 'large_file',
  3: 'huge_file',
  4: 'uninit_bg',
  5: 'dir_nlink',
  6: 'extra_isize',
  8: 'quota',
  9: 'bigalloc',
  10: 'metadata_csum',
  11: 'replica',
  12: 'read-only',
  13: 'project',
  14: 'shared_blocks',
  15: 'verity',
  16: 'orphan_present',
};

/** Incompatible features that this package reads. A journal device is told apart before. */
const READABLE_INCOMPAT = [
  INCOMPAT.FILETYPE,
  INCOMPAT.RECOVER,
  INCOMPAT.META_BG,
  INCOMPAT.EXTENTS,
  INCOMPAT.BIT64,
  INCOMPAT.MMP,
  INCOMPAT.FLEX_BG,
  INCOMPAT.EA_INODE,
  INCOMPAT.CSUM_SEED,
  INCOMPAT.LARGEDIR,
  INCOMPAT.INLINE_DATA,
  INCOMPAT.ENCRYPT,
  INCOMPAT.CASEFOLD,
].reduce((sum, bit) => sum + bit, 0);

/** Features that ext3 has; a filesystem with a further one is ext4 (what blkid goes by). */
const EXT3_INCOMPAT = INCOMPAT.FILETYPE + INCOMPAT.RECOVER + INCOMPAT.META_BG;
const EXT3_RO_COMPAT = RO_COMPAT.SPARSE_SUPER + RO_COMPAT.LARGE_FILE + RO_COMPAT.BTREE_DIR;

export type ExtType = 'ext2' | 'ext3' | 'ext4';

export class FeatureSet {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;

  constructor(compat: number, incompat: number, roCompat: number) {
    this.compat = compat;
    this.incompat = incompat;
    this.roCompat = roCompat;
  }

  hasCompat(bit: number): boolean {
    return hasAnyBit(this.compat, bit);
  }

  hasIncompat(bit: number): boolean {
    return hasAnyBit(this.incompat, bit);
  }

  hasRoCompat(bit: number): boolean {
    return hasAnyBit(this.roCompat, bit);
  }

  get type(): ExtType {
    const onlyExt3 =
      setBitNumbers(this.incompat).every((bit) => testBit(EXT3_INCOMPAT, bit)) &&
      setBitNumbers(this.roCompat).every((bit) => testBit(EXT3_RO_COMPAT, bit));
    if (!onlyExt3) return 'ext4';
    return this.hasCompat(COMPAT.HAS_JOURNAL) ? 'ext3' : 'ext2';
  }

  /** All features in the order of `dumpe2fs`. */
  names(): string[] {
    return [
      ...namesOf(this.compat, COMPAT_NAMES, 'C'),
      ...namesOf(this.incompat, INCOMPAT_NAMES, 'I'),
      ...namesOf(this.roCompat, RO_COMPAT_NAMES, 'R'),
    ];
  }

  /** Incompatible features that this package cannot read. */
  unreadableNames(): string[] {
    const unreadable = setBitNumbers(this.incompat).filter(
      (bit) => !testBit(READABLE_INCOMPAT, bit),
    );
    return unreadable.map((bit) => nameOf(bit, INCOMPAT_NAMES, 'I'));
  }
}

function setBitNumbers(word: number): number[] {
  return Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => testBit(word, bit));
}

function namesOf(word: number, names: Readonly<Record<number, string>>, letter: string): string[] {
  return setBitNumbers(word).map((bit) => nameOf(bit, names, letter));
}

function nameOf(bit: number, names: Readonly<Record<number, string>>, letter: string): string {
  return names[bit] ?? `FEATURE_${letter}${bit}`;
}
