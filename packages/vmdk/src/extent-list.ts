/** Finds which extent holds an offset of the disk. */
import { alignUp } from '@diskfile/bytes';
import type { Extent, Step } from '@diskfile/core';
import type { ExtentSource } from './extents.ts';
import { SECTOR_BYTES } from './structs.ts';

export interface PlacedExtent {
  readonly source: ExtentSource;
  readonly start: number;
  readonly end: number;
}

export class ExtentList {
  /** As the descriptor has them. */
  readonly sources: readonly ExtentSource[];
  /** Those that hold anything. */
  readonly placed: readonly PlacedExtent[];
  readonly sizeBytes: number;
  /** Where the last lookup was, since neighbours follow. */
  #last = 0;

  constructor(sources: readonly ExtentSource[]) {
    const placed: PlacedExtent[] = [];
    let start = 0;
    for (const source of sources) {
      const end = start + source.sizeBytes;
      if (source.sizeBytes > 0) placed.push({ source, start, end });
      start = end;
    }
    this.sources = sources;
    this.placed = placed;
    this.sizeBytes = alignUp(start, SECTOR_BYTES);
  }

  /** The extent that holds the byte at `guestOffset`, which is within the disk. */
  at(guestOffset: number): PlacedExtent {
    const last = this.placed[this.#last]!;
    if (guestOffset >= last.start && guestOffset < last.end) return last;
    let low = 0;
    let high = this.placed.length - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.placed[middle]!.end <= guestOffset) low = middle + 1;
      else high = middle;
    }
    this.#last = low;
    return this.placed[low]!;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { source, start, end } = this.at(guestOffset);
    const within = Math.min(lengthBytes, end - guestOffset);
    return source.lookup(guestOffset - start, within, extent);
  }

  *load(guestOffset: number): Step<void> {
    const { source, start } = this.at(guestOffset);
    yield* source.load(guestOffset - start);
  }
}
