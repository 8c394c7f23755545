/** What of the file an image uses: where new blocks may go, and that no two things share a place. */
import { BLOCK, type Step } from '@diskfile/core';
import type { VhdBlockTable } from './block-table.ts';
import { corrupt, type VhdFooter } from './footer.ts';
import { dynamicDiskHeader, SECTOR_BYTES } from './structs.ts';

interface Region {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Behind the last block, table and header.
 * @throws DiskError `corrupt` where two of them overlap: writing one would destroy the other
 */
export function* findUsedEnd(table: VhdBlockTable, footer: VhdFooter): Step<number> {
  const { header } = table;
  const regions = metadataRegions(table, footer);
  const starts = new Float64Array(header.tableEntries);
  let count = 0;
  for (let index = 0; index < header.tableEntries; index++) {
    if (table.find(index) === BLOCK.unknown) yield* table.load(index);
    const hostOffset = table.find(index);
    if (hostOffset < 0) continue;
    starts[count] = hostOffset - header.bitmapBytes;
    count += 1;
  }
  const blocks = starts.subarray(0, count).toSorted();
  const strideBytes = header.bitmapBytes + header.blockBytes;
  let end = Math.max(...regions.map((region) => region.end));
  for (let index = 0; index < count; index++) {
    const start = blocks[index]!;
    const next = blocks[index + 1] ?? Infinity;
    if (next < start + strideBytes) throw overlapping('another block', next);
    end = Math.max(end, start + strideBytes);
  }
  for (const region of regions) {
    const overlaps = blocks.some(
      (start) => start < region.end && start + strideBytes > region.start,
    );
    if (overlaps) throw overlapping(region.what, region.start);
  }
  return end;
}

function metadataRegions({ header }: VhdBlockTable, { headerOffset }: VhdFooter): Region[] {
  const { tableOffset, tableEntries, parentLocators } = header;
  return [
    { what: 'the copy of the footer', start: 0, end: SECTOR_BYTES },
    { what: 'the header', start: headerOffset, end: headerOffset + dynamicDiskHeader.spanBytes },
    { what: 'the block table', start: tableOffset, end: tableOffset + tableEntries * 4 },
    ...parentLocators.map(({ offset, lengthBytes }) => ({
      what: 'a parent locator',
      start: offset,
      end: offset + lengthBytes,
    })),
  ];
}

function overlapping(what: string, hostOffset: number): Error {
  return corrupt('vhd.overlap', `A block lies where ${what} is`, hostOffset);
}
