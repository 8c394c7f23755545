/** One bitmap of an image that is open for writing. */
import { type BitmapEntry, FLAG, isInUse, isUnderstood, withFlag } from './bitmap-entry.ts';
import { isPossible } from './bitmap-geometry.ts';
import type { BitmapTable } from './bitmap-table.ts';
import type { DirtyBits } from './dirty-bits.ts';
import { bitmapDamaged, bitmapInconsistent, bitmapNotUnderstood } from './refusals.ts';
import { type ContentGeometry, tableEntries } from './stored-content.ts';

/** Why nothing can be learned from a bitmap. */
export type Unusable = 'inconsistent' | 'not-understood' | 'damaged';

export interface LiveBitmap {
  /** As it is to be in the file once the image is closed. */
  readonly entry: BitmapEntry;
  /**
   * What it holds, for a bitmap in which writes are recorded. Its content in the file is out of
   * date then. Any other bitmap is in the file alone.
   */
  readonly bits: DirtyBits | undefined;
  /** The table in the file. Its clusters are the bitmap's own. */
  readonly table: BitmapTable;
  readonly unusable: Unusable | undefined;
}

/** The entry that the file has while the image is open: as QEMU, with all that can be used marked. */
export function openEntry({ entry, unusable }: LiveBitmap): BitmapEntry {
  return unusable === undefined ? withFlag(entry, FLAG.inUse, true) : entry;
}

/** A bitmap with other content in the file. */
export function withTable(bitmap: Omit<LiveBitmap, 'table'>, table: BitmapTable): LiveBitmap {
  return { ...bitmap, entry: { ...bitmap.entry, table: table.place }, table };
}

/** Whether what a bitmap has in the file can be used. */
export function judge(
  entry: BitmapEntry,
  table: BitmapTable,
  geometry: ContentGeometry,
): Unusable | undefined {
  if (isInUse(entry)) return 'inconsistent';
  if (!isUnderstood(entry)) return 'not-understood';
  if (!isPossible(geometry.sizeBytes, entry.granularityBits)) return 'damaged';
  return table.place.entries === tableEntries(geometry) ? undefined : 'damaged';
}

/** @throws DiskError where nothing can be learned from the bitmap */
export function checkUsable({ entry, unusable }: LiveBitmap): void {
  if (unusable === 'inconsistent') throw bitmapInconsistent(entry.name);
  if (unusable === 'not-understood') throw bitmapNotUnderstood(entry.name);
  if (unusable === 'damaged') throw bitmapDamaged(entry.name);
}
