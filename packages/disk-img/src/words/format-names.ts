/** What qemu-img tells of some formats and not of others; QEMU's names for them. */

/**
 * Formats that qemu-img 7.2 opens but cannot tell what is allocated in: all of them counts as data
 * without a place.
 */
export const UNMAPPED_FORMATS: ReadonlySet<string> = new Set([
  'vhdx',
  'luks',
  'bochs',
  'cloop',
  'dmg',
]);

/** Formats in which what is not allocated counts as present all the same. */
export const ALWAYS_PRESENT_FORMATS: ReadonlySet<string> = new Set(['raw', 'vpc', 'vdi']);

/** Formats that say nothing of their clusters and of whether they were closed. */
export const PLAIN_INFO_FORMATS: ReadonlySet<string> = new Set([
  'parallels',
  'bochs',
  'cloop',
  'dmg',
]);
