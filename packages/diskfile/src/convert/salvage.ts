/** Reading what can be read of a damaged disk. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { SourceParts } from './source-parts.ts';

const SECTOR_BYTES = 512;

/** Bytes of the source that could not be read, and were taken for zeros. */
export interface UnreadableRange {
  /** Offset in the source; behind the disks before it where there are several. */
  readonly guestOffset: number;
  readonly lengthBytes: number;
  /** Why its first sector could not be read. */
  readonly reason: string;
}

/** Reads sector by sector; those that cannot be read become zeros. */
export function* readSalvaging(
  source: SourceParts,
  dst: Uint8Array,
  offset: number,
): Step<UnreadableRange[]> {
  const unreadable: UnreadableRange[] = [];
  for (let at = 0; at < dst.length; at += SECTOR_BYTES) {
    const sector = dst.subarray(at, at + SECTOR_BYTES);
    try {
      yield* source.read(sector, offset + at);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      sector.fill(0);
      addRange(unreadable, offset + at, sector.length, error.message);
    }
  }
  return unreadable;
}

function addRange(
  ranges: UnreadableRange[],
  guestOffset: number,
  lengthBytes: number,
  reason: string,
): void {
  const last = ranges.at(-1);
  if (last === undefined || last.guestOffset + last.lengthBytes !== guestOffset) {
    ranges.push({ guestOffset, lengthBytes, reason });
    return;
  }
  ranges[ranges.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
}
