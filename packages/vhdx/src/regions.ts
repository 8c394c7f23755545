/** The region table ([MS-VHDX] 2.2.3): where the metadata and the block allocation table lie. */
import { formatGuid, hasAnyBit } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { checksumOf } from './header.ts';
import { corrupt, unsupported } from './refusals.ts';
import {
  MIB,
  PLACES,
  REGION,
  REGION_TABLE_BYTES,
  regionTableEntry,
  regionTableHeader,
} from './structs.ts';

export interface Region {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
  /** All that the table lists, in its order. */
  readonly listed: readonly Region[];
}

const MAX_ENTRIES = 2047;

export function* readRegions(storage: Storage): Step<Regions> {
  for (const offset of PLACES.regionTables) {
    const bytes = yield* readBytes(storage, offset, REGION_TABLE_BYTES);
    const raw = regionTableHeader.decode(bytes);
    const isTable = String.fromCharCode(...raw.signature) === 'regi';
    if (!isTable || raw.entryCount > MAX_ENTRIES || raw.checksum !== checksumOf(bytes)) continue;
    return parseRegions(bytes, raw.entryCount, offset);
  }
  throw corrupt(
    'vhdx.no-region-table',
    'Neither of the two region tables is whole',
    PLACES.regionTables[0],
  );
}

function parseRegions(bytes: Uint8Array, entryCount: number, tableOffset: number): Regions {
  const found = new Map<string, Region>();
  const listed: Region[] = [];
  for (let index = 0; index < entryCount; index++) {
    const at = regionTableHeader.spanBytes + index * regionTableEntry.spanBytes;
    const raw = regionTableEntry.decode(bytes, at);
    const guid = formatGuid(raw.guid);
    const region = { offset: raw.fileOffset, lengthBytes: raw.length };
    listed.push(region);
    const isKnown = guid === REGION.bat || guid === REGION.metadata;
    if (!isKnown) {
      if (!hasAnyBit(raw.required, 1)) continue;
      throw unsupported(
        'vhdx.required-region',
        `The file needs a region that is not known here: ${guid}`,
        'Convert it with the program that wrote it.',
      );
    }
    checkRegion(region, tableOffset + at);
    checkApart(region, found.values());
    found.set(guid, region);
  }
  const bat = found.get(REGION.bat);
  const metadata = found.get(REGION.metadata);
  if (bat !== undefined && metadata !== undefined) return { bat, metadata, listed };
  throw corrupt('vhdx.region-missing', 'The region table lacks a region', tableOffset);
}

function checkRegion({ offset, lengthBytes }: Region, entryOffset: number): void {
  const aligned = offset % MIB === 0 && lengthBytes % MIB === 0;
  if (aligned && offset >= PLACES.end && lengthBytes > 0) return;
  throw corrupt('vhdx.region-place', 'A region lies where none can be', entryOffset);
}

/** @throws DiskError `corrupt` where a region overlaps one of the others */
export function checkApart(region: Region, others: Iterable<Region>): void {
  const { offset, lengthBytes } = region;
  for (const other of others) {
    const overlaps =
      offset < other.offset + other.lengthBytes && other.offset < offset + lengthBytes;
    if (overlaps) throw corrupt('vhdx.region-overlap', 'Two regions overlap', offset);
  }
}
