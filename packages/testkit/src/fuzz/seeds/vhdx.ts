/** VHDX disks, where their fields and tables are, and some whose tables and logs lead astray. */
import {
  buildSmallVhdx,
  repairVhdx,
  type SmallVhdx,
  VHDX_PLACES as PLACES,
  type VhdxLogEntry,
} from '../../builders/small-vhdx.ts';
import { headerFields, type Region, type SeedImage } from '../seed-image.ts';

const PAGE = 4096;
const MIB = 1024 * 1024;

const HEADER = [
  ['sequenceNumber', 8, 8],
  ['logGuid', 48, 8],
  ['logVersion', 64, 2],
  ['version', 66, 2],
  ['logLength', 68, 4],
  ['logOffset', 72, 8],
] as const;
const REGION_TABLE = [
  ['entryCount', 8, 4],
  ['fileOffset', 32, 8],
  ['length', 40, 4],
  ['required', 44, 4],
  ['fileOffset', 64, 8],
  ['length', 72, 4],
] as const;
const METADATA = [
  ['entryCount', 10, 2],
  ['offset', 48, 4],
  ['length', 52, 4],
  ['flags', 56, 4],
] as const;
const ITEMS = [
  ['blockSize', 0, 4],
  ['fileParameters', 4, 4],
  ['virtualDiskSize', 8, 8],
  ['logicalSectorSize', 32, 4],
] as const;
/** Of the parent locator, which follows them. */
const LOCATOR = [
  ['keyValueCount', 58, 2],
  ['keyOffset', 60, 4],
  ['valueOffset', 64, 4],
  ['keyLength', 68, 2],
  ['valueLength', 70, 2],
] as const;
const LOG_ENTRY = [
  ['entryLength', 8, 4],
  ['tail', 12, 4],
  ['sequenceNumber', 16, 8],
  ['descriptorCount', 24, 4],
  ['flushedFileOffset', 48, 8],
  ['lastFileOffset', 56, 8],
  ['length of zeros', 72, 8],
  ['fileOffset', 80, 8],
] as const;

const present = (place: number, state = 6) => BigInt(place) + BigInt(state);
const BLOCK = PLACES.blocks;
const ENTRIES = [present(BLOCK), 2n, 3n, present(BLOCK + MIB)];
const SHAPE = { sizeBytes: 3 * MIB + 512, entries: ENTRIES, blocks: 2 };

/** What a differencing mutant finds below it. */
let parent: Uint8Array | undefined;
export function vhdxParent(): Uint8Array {
  parent ??= buildSmallVhdx(SHAPE);
  return parent;
}

export function vhdxSeeds(): SeedImage[] {
  const base = 'base.vhdx';
  return [
    seed('dynamic', SHAPE),
    seed('differencing', { ...SHAPE, ...PARTIAL, parentName: base }),
    seed('a foreign parent', { ...SHAPE, ...PARTIAL, parentName: '..\\..\\etc\\base.vhdx' }),
    seed('a log', { ...SHAPE, entries: [], log: [entry(0, 0, 5, [[PLACES.bat, batPage()]])] }),
    seed('a log in circles', { ...SHAPE, log: circles() }),
    seed('thousands of zero descriptors', { ...SHAPE, log: [entry(0, 0, 5, manyZeros())] }),
    seed('a log over the table', { ...SHAPE, logOffset: PLACES.bat }),
    seed('a block in the headers', withEntries(present(0), present(64 * 1024))),
    seed('a block in the table', withEntries(present(PLACES.bat), present(PLACES.metadata))),
    seed('one block twice', withEntries(present(BLOCK), present(BLOCK))),
    seed('past the end', withEntries(present(BLOCK + 100 * MIB), present(2 ** 52))),
  ];
}

function withEntries(...entries: readonly bigint[]): SmallVhdx {
  return { ...SHAPE, entries };
}

/** The first block is the disk's own in part, as the second one tells. */
const PARTIAL = {
  entries: Array.from({ length: 4097 }, (_, index) => {
    if (index === 0) return present(BLOCK, 7);
    return index === 4096 ? present(BLOCK + MIB) : 0n;
  }),
};

function entry(
  at: number,
  tail: number,
  number: number,
  changes: VhdxLogEntry['changes'],
): VhdxLogEntry {
  return { at, tail, number, changes };
}

function batPage(): Uint8Array {
  const page = Buffer.alloc(PAGE);
  for (const [index, value] of ENTRIES.entries()) page.writeBigUInt64LE(value, index * 8);
  return page;
}

/** Newer entries whose tails lead to each other, but never to the newer ones; one that is whole. */
function circles(): VhdxLogEntry[] {
  const zeros: VhdxLogEntry['changes'] = [[PLACES.bat + PAGE, PAGE]];
  const old = Array.from({ length: 100 }, (_, index) =>
    entry(index * PAGE, ((index + 1) % 100) * PAGE, 1000 + index, zeros),
  );
  return [...old, entry(120 * PAGE, 120 * PAGE, 10, zeros)];
}

function manyZeros(): VhdxLogEntry['changes'] {
  return Array.from({ length: 30_000 }, (_, index) => [
    PLACES.metadata + 128 * 1024 + (index % 90) * PAGE,
    (1 + (index % 120)) * PAGE,
  ]);
}

function seed(name: string, disk: SmallVhdx): SeedImage {
  const bytes = buildSmallVhdx(disk);
  const table = { widthBytes: 8, bigEndian: false } as const;
  const regions: Region[] = [
    { ...table, name: 'BAT', offset: PLACES.bat, lengthBytes: 64 },
    { ...table, name: 'bitmap entry', offset: PLACES.bitmapEntry, lengthBytes: 8 },
    { ...table, name: 'log', offset: PLACES.log, lengthBytes: disk.log === undefined ? 8 : 512 },
  ];
  return {
    name,
    bytes,
    unitBytes: MIB,
    fields: [
      ...headerFields(PLACES.headers[1]!, false, HEADER),
      ...headerFields(PLACES.regionTables[0]!, false, REGION_TABLE),
      ...headerFields(PLACES.metadata, false, METADATA),
      ...headerFields(PLACES.items, false, ITEMS),
      ...(disk.parentName === undefined ? [] : headerFields(PLACES.items, false, LOCATOR)),
      ...(disk.log === undefined ? [] : headerFields(PLACES.log, false, LOG_ENTRY)),
    ],
    regions,
    repair: repairVhdx,
  };
}
