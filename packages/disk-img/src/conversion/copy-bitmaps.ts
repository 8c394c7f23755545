/** Takes bitmaps over to an image that was there already. */
import type { BitmapInfo, DiskFile } from 'diskfile';
import { Failure } from '../program.ts';
import type { CommandOptions } from '../arguments/options.ts';
import type { Conversion } from './conversion.ts';

/** For an image that is there; a new one has none that could be in the way. */
export function bitmapsToCopy({ options }: Pick<Conversion, 'options'>, disk: DiskFile) {
  if (!options.has('bitmaps')) return { copied: [], skipped: [] };
  if (!options.has('skip-broken-bitmaps')) refuseBrokenBitmaps(disk);
  const isBroken = ({ flags }: BitmapInfo): boolean => flags.includes('in-use');
  const all = disk.capabilities.bitmaps!.list();
  return {
    copied: all.filter((bitmap) => !isBroken(bitmap)),
    skipped: all.filter(isBroken).map(({ name }) => name),
  };
}

/** @throws Failure where sources have no bitmaps that could be copied */
export function checkBitmapSources(options: CommandOptions, disks: readonly DiskFile[]): void {
  if (!options.has('bitmaps')) return;
  if (disks.length > 1) throw new Failure('Copying bitmaps only possible with single source');
  if (!hasBitmaps(disks[0]!)) throw new Failure('Source lacks bitmap support');
}

/** @throws Failure where the target that is there has no place for bitmaps */
export function checkBitmapTarget({ options, format }: Conversion, target: DiskFile): void {
  if (!options.has('bitmaps') || hasBitmaps(target)) return;
  throw new Failure(`Format driver '${format}' does not support bitmaps`);
}

function hasBitmaps(disk: DiskFile): boolean {
  return disk.capabilities.bitmaps !== undefined && disk.info()[0]!.details['compat'] !== '0.10';
}

/** @throws Failure for a bitmap that says nothing any more */
export function refuseBrokenBitmaps(disk: DiskFile): void {
  const broken = disk.info()[0]!.bitmaps.findLast(({ flags }) => flags.includes('in-use'));
  if (broken === undefined) return;
  throw new Failure(`Cannot copy inconsistent bitmap '${broken.name}'`, {
    tail: "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it\n",
  });
}

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
