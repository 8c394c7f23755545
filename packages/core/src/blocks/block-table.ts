/**
 * What the formats have in common that keep a disk in blocks of one size, each anywhere in the
 * file: a table that says where.
 */
import type { Step } from '../step.ts';
import type { Storage, WritableStorage } from '../storage.ts';
import type { Extent } from '../engine/extent.ts';

/** What a table says of blocks that have no bytes of their own in the file. */
export const BLOCK = {
  /** Not there: the image below is seen, or zeros. */
  none: -1,
  /** Reads as zeros. */
  zero: -2,
  /** The part of the table that tells is not in memory. */
  unknown: -3,
  /** Held in another form, so that it has to be replaced as a whole when it is written. */
  encoded: -4,
} as const;

export interface BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  /**
   * Hot path: host offset of a block's first byte, or a value of {@link BLOCK}.
   * @throws DiskError `corrupt` for an entry that names a place where no block can be
   */
  find(blockIndex: number): number;
  /** Brings in what {@link find} calls unknown. */
  load(blockIndex: number): Step<void>;
  /**
   * The first block from `blockIndex` on, and not beyond `end`, that may not be
   * {@link BLOCK.none}. For tables whose parts may be missing, so that a walk is not block by block.
   */
  nextHeld?(blockIndex: number, end: number): number;
}

/** A block table that can be changed. Changes live in memory until {@link flush}. */
export interface WritableBlockTable extends BlockTable {
  readonly storage: WritableStorage;
  /** Most blocks that {@link reserve} may be asked for: 1 where their data is not contiguous. */
  readonly maxReservation: number;
  /** The same from one block on; left out where it makes no difference which. */
  reservableFrom?(blockIndex: number): number;
  /**
   * Sets space aside for `count` new blocks from `blockIndex` on, data behind data, that nothing
   * names yet.
   * @returns host offset of the first one's data; all of it reads as zeros
   */
  reserve(count: number, blockIndex: number): Step<number>;
  /** Gives back, or leaks, what {@link reserve} set aside and a failed write may have touched. */
  unreserve(hostOffset: number, count: number): Step<void>;
  /** The block is at `hostOffset` from now on. Loaded before. */
  link(blockIndex: number, hostOffset: number): void;
  /** The block reads as zeros from now on. Left out where no entry says that. */
  linkZero?(blockIndex: number): Step<void>;
  /** Makes data, then the table, durable. A failed flush can be repeated. */
  flush(): Step<void>;
  /** As `ImageWriter.reclaim`; left out where no space is ever used again. */
  reclaim?(): void;
  close(): Step<void>;
}

/**
 * Fills `extent` as `ExtentMap.lookup` does, joining blocks that follow each other in the file. What
 * is encoded is the caller's; here it counts as not there.
 */
export function lookupBlocks(
  table: BlockTable,
  guestOffset: number,
  lengthBytes: number,
  extent: Extent,
): boolean {
  const { blockBytes } = table;
  const first = Math.floor(guestOffset / blockBytes);
  const place = table.find(first);
  if (place === BLOCK.unknown) return false;
  const skip = guestOffset - first * blockBytes;
  const end = Math.ceil((guestOffset + lengthBytes) / blockBytes);
  let index = first + 1;
  for (; index < end; index++) {
    if (place === BLOCK.none && table.nextHeld !== undefined) {
      index = table.nextHeld(index, end);
      if (index === end) break;
    }
    if (table.find(index) !== (place < 0 ? place : place + (index - first) * blockBytes)) break;
  }
  const length = Math.min(lengthBytes, (index - first) * blockBytes - skip);
  if (place === BLOCK.zero) extent.setZero(length);
  else if (place < 0) extent.setBacking(length);
  else extent.setData(table.storage, place + skip, length);
  return true;
}
