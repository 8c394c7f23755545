/** Where a file has data, in the form of GNU tar's sparse files (GNU tar manual, "PAX Format, Version 1.0"). */
import { alignDown, alignUp, encodeName } from '@diskfile/bytes';
import type { FileHandle } from 'diskfile';
import { BLOCK_BYTES } from './tar-blocks.ts';

export interface DataRegion {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A map grows no longer than this: smaller holes are then written as zeros. */
const MAX_REGIONS = 256 * 1024;

export interface SparseMap {
  /** In order, apart from each other; they begin at blocks and end at blocks or with the file. */
  readonly regions: readonly DataRegion[];
  readonly dataBytes: number;
  /** The map as it stands in front of the data, padded to whole blocks. */
  readonly encoded: Uint8Array;
}

/** The map of a file with holes worth leaving out; undefined for any other file. */
export function sparseMap(file: FileHandle): SparseMap | undefined {
  const regions = dataRegions(file);
  const dataBytes = regions.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  if (dataBytes === file.sizeBytes) return undefined;
  const encoded = encodeMap(regions, file.sizeBytes);
  if (dataBytes + encoded.length >= file.sizeBytes) return undefined;
  return { regions, dataBytes, encoded };
}

function dataRegions(file: FileHandle): DataRegion[] {
  let regions: DataRegion[] = [];
  let minHoleBytes = BLOCK_BYTES;
  for (const extent of file.extentsSync()) {
    if (!extent.data) continue;
    const start = alignDown(extent.offset, BLOCK_BYTES);
    const end = alignUp(extent.offset + extent.lengthBytes, BLOCK_BYTES);
    const region = { offset: start, lengthBytes: Math.min(end, file.sizeBytes) - start };
    appendRegion(regions, region, minHoleBytes);
    while (regions.length > MAX_REGIONS) {
      minHoleBytes *= 2;
      const finer = regions;
      regions = [];
      for (const each of finer) appendRegion(regions, each, minHoleBytes);
    }
  }
  return regions;
}

/** Adds a region, or lengthens the last one over a hole that is too small. */
function appendRegion(regions: DataRegion[], region: DataRegion, minHoleBytes: number): void {
  const last = regions.at(-1);
  if (last === undefined || region.offset - (last.offset + last.lengthBytes) >= minHoleBytes) {
    regions.push(region);
    return;
  }
  const end = Math.max(last.offset + last.lengthBytes, region.offset + region.lengthBytes);
  regions[regions.length - 1] = { offset: last.offset, lengthBytes: end - last.offset };
}

/** Decimal numbers on lines of their own: how many entries, then offset and length of each. */
function encodeMap(regions: readonly DataRegion[], sizeBytes: number): Uint8Array {
  const entries = regions.map(({ offset, lengthBytes }) => [offset, lengthBytes]);
  const last = regions.at(-1);
  // An empty entry at the end tells readers how long the last hole is.
  if (last === undefined || last.offset + last.lengthBytes < sizeBytes)
    entries.push([sizeBytes, 0]);
  const text = encodeName(`${[entries.length, ...entries.flat()].join('\n')}\n`);
  const padded = new Uint8Array(alignUp(text.length, BLOCK_BYTES));
  padded.set(text);
  return padded;
}
