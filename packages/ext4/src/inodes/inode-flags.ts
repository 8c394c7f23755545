/** Attribute flags of inodes (`i_flags`). */
import { hasAnyBit, testBit } from '@diskfile/bytes';

export const INODE_FLAG = {
  ENCRYPT: 0x800,
  INDEX: 0x1000,
  HUGE_FILE: 0x4_0000,
  EXTENTS: 0x8_0000,
  EA_INODE: 0x20_0000,
  INLINE_DATA: 0x1000_0000,
  CASEFOLD: 0x4000_0000,
} as const;

/** Names by bit number. */
const FLAG_NAMES: Readonly<Record<number, string>> = {
  0: 'secure-deletion',
  1: 'undeletable',
  2: 'compressed',
  3: 'synchronous',
  4: 'immutable',
  5: 'append-only',
  6: 'no-dump',
  7: 'no-access-time',
  8: 'compressed-dirty',
  9: 'compressed-blocks',
  10: 'no-compression',
  11: 'encrypted',
  12: 'indexed',
  13: 'afs-directory',
  14: 'journal-data',
  15: 'no-tail',
  16: 'synchronous-directory',
  17: 'top-directory',
  18: 'huge-file',
  19: 'extents',
  20: 'verity',
  21: 'attribute-value',
  22: 'blocks-past-end',
  25: 'direct-access',
  28: 'inline-data',
  29: 'project-inherited',
  30: 'case-insensitive',
};

export function hasFlag(flags: number, flag: number): boolean {
  return hasAnyBit(flags, flag);
}

/** Names of the flags that are set; bits without a meaning are left out. */
export function flagNames(flags: number): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const name = FLAG_NAMES[bit];
    if (name !== undefined && testBit(flags, bit)) names.push(name);
  }
  return names;
}
