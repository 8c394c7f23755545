/**
 * The bitmaps before the blocks of a differencing disk: which sectors are its own, and which are
 * the parent's (specification, "Block Allocation Table and Data Blocks").
 */
import { setBits, testBit } from '@diskfile/bytes';
import {
  type HostCall,
  ParallelCalls,
  readInto,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import { SECTOR_BYTES } from './structs.ts';

/** Writes of bitmaps that are under way at a time. */
const PARALLEL_WRITES = 32;

interface SectorBitmap {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  dirty: boolean;
}

export class SectorBitmaps {
  readonly #storage: Storage;
  readonly #bitmapBytes: number;
  readonly #capacity: number;
  /** By block, least recently loaded first. */
  readonly #bitmaps = new Map<number, SectorBitmap>();
  #dirtyCount = 0;

  constructor(storage: Storage, bitmapBytes: number, cacheBytes: number) {
    this.#storage = storage;
    this.#bitmapBytes = bitmapBytes;
    this.#capacity = Math.max(1, Math.floor(cacheBytes / bitmapBytes));
  }

  has(blockIndex: number): boolean {
    return this.#bitmaps.has(blockIndex);
  }

  /** Whether a sector is the disk's own; the bitmap is in memory. */
  isOwn(blockIndex: number, sector: number): boolean {
    const byte = this.#bitmaps.get(blockIndex)!.bytes[Math.floor(sector / 8)]!;
    return testBit(byte, 7 - (sector % 8));
  }

  /** First sector from `sector` on whose answer differs, at most `limit`. */
  endOfRun(blockIndex: number, sector: number, limit: number): number {
    const own = this.isOwn(blockIndex, sector);
    const { bytes } = this.#bitmaps.get(blockIndex)!;
    let end = sector + 1;
    while (end < limit) {
      const whole = end % 8 === 0 && end + 8 <= limit && bytes[end / 8] === (own ? 0xff : 0);
      if (!whole && this.isOwn(blockIndex, end) !== own) break;
      end += whole ? 8 : 1;
    }
    return end;
  }

  /** @param blockOffset where the block's bitmap begins */
  *load(blockIndex: number, blockOffset: number): Step<void> {
    if (this.#bitmaps.has(blockIndex)) return;
    const bytes = yield* readInto(this.#storage, new Uint8Array(this.#bitmapBytes), blockOffset);
    this.#keep(blockIndex, { hostOffset: blockOffset, bytes, dirty: false });
  }

  /** The bitmap of a new block: nothing in it is the disk's own yet. */
  create(blockIndex: number, blockOffset: number): void {
    const bytes = new Uint8Array(this.#bitmapBytes);
    this.#keep(blockIndex, { hostOffset: blockOffset, bytes, dirty: false });
  }

  #keep(blockIndex: number, bitmap: SectorBitmap): void {
    // Loads that overlap in time may bring in the same bitmap twice; the first may have changed.
    if (this.#bitmaps.has(blockIndex)) return;
    for (const [index, { dirty }] of this.#bitmaps) {
      if (this.#bitmaps.size < this.#capacity) break;
      if (!dirty) this.#bitmaps.delete(index);
    }
    this.#bitmaps.set(blockIndex, bitmap);
  }

  /** Makes sectors the disk's own; the bitmap is in memory. */
  setOwn(blockIndex: number, start: number, end: number): void {
    const bitmap = this.#bitmaps.get(blockIndex)!;
    for (let sector = start; sector < end; sector++) {
      const at = Math.floor(sector / 8);
      bitmap.bytes[at] = setBits(bitmap.bytes[at]!, 2 ** (7 - (sector % 8)));
    }
    if (!bitmap.dirty) this.#dirtyCount += 1;
    bitmap.dirty = true;
  }

  get dirtyBytes(): number {
    return this.#dirtyCount * this.#bitmapBytes;
  }

  /** Writes what has changed; durable only after a flush of the storage. */
  *write(storage: WritableStorage): Step<void> {
    const bitmaps = [...this.#bitmaps.values()].filter(({ dirty }) => dirty);
    for (let start = 0; start < bitmaps.length; start += PARALLEL_WRITES) {
      const calls = bitmaps
        .slice(start, start + PARALLEL_WRITES)
        .map(({ bytes, hostOffset }): HostCall => {
          return {
            runSync: () => storage.writeSync(bytes, hostOffset),
            run: () => storage.write(bytes, hostOffset),
          };
        });
      yield new ParallelCalls(calls);
    }
  }

  markClean(): void {
    for (const bitmap of this.#bitmaps.values()) bitmap.dirty = false;
    this.#dirtyCount = 0;
  }
}

/** Sector of a block that holds the byte at `guestOffset`. */
export function sectorOf(guestOffset: number, blockBytes: number): number {
  return Math.floor((guestOffset % blockBytes) / SECTOR_BYTES);
}
