/** Whether a boot record is a partition table, or boot code that happens to end in 55 AA. */
import type { BootRecord } from './boot-record.ts';

const ACTIVE = 0x80;

/** Every entry, used or not, has a boot indicator of 0x00 or 0x80; boot code hardly ever does. */
export function hasValidBootIndicators(record: BootRecord): boolean {
  return record.entries.every(
    ({ bootIndicator }) => bootIndicator === 0 || bootIndicator === ACTIVE,
  );
}

/**
 * Whether something is partitioned, and every used entry has a type, begins behind the boot record,
 * ends within the disk and keeps clear of the others.
 */
export function isFlawless(record: BootRecord, sectorBytes: number, sizeBytes: number): boolean {
  const used = record.entries
    .filter(({ sizeLba }) => sizeLba > 0)
    .toSorted((a, b) => a.startLba - b.startLba);
  let freeFromLba = 1;
  for (const { osType, startLba, sizeLba } of used) {
    const endLba = startLba + sizeLba;
    if (osType === 0 || startLba < freeFromLba || endLba * sectorBytes > sizeBytes) return false;
    freeFromLba = endLba;
  }
  return used.length > 0;
}
