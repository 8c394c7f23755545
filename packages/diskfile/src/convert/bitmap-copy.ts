/** Takes the bitmaps of a disk over to a new image with the same content. */
import { DiskError } from '@diskfile/bytes';
import {
  type BitmapInfo,
  type DirtyGuestRange,
  type DiskBitmaps,
  type DiskFile,
  type FormatImage,
  hostCall,
  quote,
  type Step,
} from '@diskfile/core';
import { refused } from './convert-options.ts';

/** Which bitmaps of a disk are copied, and which are not. */
export interface BitmapChoice {
  readonly copied: readonly BitmapInfo[];
  readonly skipped: readonly string[];
}

/**
 * @throws DiskError `corrupt` for a bitmap that was not saved properly, when all are wanted;
 *   `invalid-argument` for a disk that has no bitmaps
 */
export function chooseBitmaps(disk: DiskFile, which: 'all' | 'usable'): BitmapChoice {
  const bitmaps = bitmapsOf(disk).list();
  const isBroken = ({ flags }: BitmapInfo): boolean => flags.includes('in-use');
  const broken = bitmaps.filter(isBroken);
  if (broken.length > 0 && which === 'all') {
    const { name } = broken[0]!;
    throw new DiskError(
      'corrupt',
      'convert.broken-bitmap',
      `The bitmap ${quote(name)} was not saved properly and cannot be copied`,
      { path: disk.name, hint: 'Copy the usable ones only, or remove it.' },
    );
  }
  return {
    copied: bitmaps.filter((bitmap) => !isBroken(bitmap)),
    skipped: broken.map(({ name }) => name),
  };
}

/** @throws DiskError `invalid-argument` when the format has none */
export function bitmapsOf(disk: DiskFile): DiskBitmaps {
  const { bitmaps } = disk.capabilities;
  if (bitmaps !== undefined) return bitmaps;
  throw refused('convert.no-bitmaps', `Disks of the format ${disk.format} have no bitmaps`);
}

/**
 * Copies bitmaps into a new image, which nobody else writes. Each is marked while it is the only
 * one that records; those that did record are set to go on in the end.
 */
export function* copyBitmaps(
  source: DiskFile,
  disk: DiskFile,
  image: FormatImage,
  bitmaps: readonly BitmapInfo[],
): Step<void> {
  const from = bitmapsOf(source);
  const to = bitmapsOf(disk);
  for (const { name, granularityBytes } of bitmaps) {
    yield* hostCall(
      () => to.createSync(name, { granularityBytes }),
      () => to.create(name, { granularityBytes }),
    );
    yield* eachDirty(from, name, ({ guestOffset, lengthBytes }) => {
      image.writer!.bitmaps!.markWritten(guestOffset, lengthBytes);
    });
    yield* hostCall(
      () => to.disableSync(name),
      () => to.disable(name),
    );
  }
  for (const { name, flags } of bitmaps) {
    if (!flags.includes('auto')) continue;
    yield* hostCall(
      () => to.enableSync(name),
      () => to.enable(name),
    );
  }
}

function* eachDirty(
  bitmaps: DiskBitmaps,
  name: string,
  found: (range: DirtyGuestRange) => void,
): Step<void> {
  yield* hostCall(
    () => {
      for (const range of bitmaps.dirtyRangesSync(name)) found(range);
    },
    async () => {
      for await (const range of bitmaps.dirtyRanges(name)) found(range);
    },
  );
}
