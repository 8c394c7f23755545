/** Reads the dirty bitmaps of a disk, within bounds, and holds their ranges to what they promise. */
import type { DirtyGuestRange, DiskFile } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';
import { Budget } from './budget.ts';
import { tolerate } from './tolerate.ts';

const MAX_BITMAPS = 16;
const MAX_RANGES = 500;
const BITMAPS_MS = 300;

export async function exerciseBitmaps(disk: DiskFile): Promise<void> {
  const { bitmaps } = disk.capabilities;
  const budget = new Budget(BITMAPS_MS);
  for (const { name } of (bitmaps?.list() ?? []).slice(0, MAX_BITMAPS)) {
    const ranges = await tolerate(() => {
      const found: DirtyGuestRange[] = [];
      for (const range of bitmaps!.dirtyRangesSync(name)) {
        found.push(range);
        if (found.length === MAX_RANGES || budget.isSpent) break;
      }
      return found;
    });
    if (ranges === undefined) continue;
    checkRanges(ranges, disk.sizeBytes);
    const first = await bitmaps!.dirtyRanges(name)[Symbol.asyncIterator]().next();
    const same = JSON.stringify(first.value) === JSON.stringify(ranges[0]);
    if (!same) throw new ContractViolation(`bitmap ${name} reads differently asynchronously`);
  }
}

function checkRanges(ranges: readonly DirtyGuestRange[], sizeBytes: number): void {
  let end = -1;
  for (const { guestOffset, lengthBytes } of ranges) {
    if (guestOffset <= end || lengthBytes <= 0 || guestOffset + lengthBytes > sizeBytes) {
      throw new ContractViolation(`dirty ranges touch, or leave the disk, at ${guestOffset}`);
    }
    end = guestOffset + lengthBytes;
  }
}
