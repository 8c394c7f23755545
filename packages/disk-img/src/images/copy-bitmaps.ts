/** Takes bitmaps over to an image that was there already. */
import type { BitmapInfo, DiskFile } from 'diskfile';
import { Failure } from '../program.ts';

/** As qemu-img, which goes from last to first, and no further than to one that cannot be made. */
export function copyBitmaps(
  source: DiskFile,
  target: DiskFile,
  bitmaps: readonly BitmapInfo[],
): void {
  const from = source.capabilities.bitmaps;
  const to = target.capabilities.bitmaps;
  if (from === undefined || to === undefined) return;
  const there = new Set(to.list().map(({ name }) => name));
  const inTheWay = bitmaps.findLastIndex(({ name }) => there.has(name));
  const made = bitmaps.slice(inTheWay + 1);
  for (const { name, granularityBytes, flags } of made) {
    to.createSync(name, { granularityBytes, enabled: false });
    to.markSync(name, from.dirtyRangesSync(name));
    if (flags.includes('auto')) to.enableSync(name);
  }
  if (inTheWay === -1) return;
  const { name } = bitmaps[inTheWay]!;
  throw new Failure(`Failed to create bitmap ${name}: Bitmap already exists: ${name}`);
}
