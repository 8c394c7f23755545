/** Entries of the bitmap directory (specification, "Bitmap directory"). */
import {
  alignUp,
  clearBits,
  decodeName,
  encodeName,
  hasAnyBit,
  powerOfTwo,
  setBits,
  testBit,
} from '@diskfile/bytes';
import type { BitmapInfo } from '@diskfile/core';
import { corrupt } from '../errors.ts';
import { bitmapDirectoryEntry } from '../structs.ts';

export const FLAG = { inUse: 1, auto: 2, extraDataCompatible: 4 } as const;
const FLAG_NAMES = ['in-use', 'auto', 'extra-data-compatible'];
const KNOWN_FLAGS = FLAG.inUse + FLAG.auto + FLAG.extraDataCompatible;
/** Bits by which writes are tracked; the only type that the specification has. */
const TYPE_DIRTY_TRACKING = 1;
export const MAX_NAME_BYTES = 1023;
const MAX_STORED_GRANULARITY_BITS = 63;

/** Where the bitmap table lies, and how many entries it has. */
export interface TablePlace {
  readonly offset: number;
  readonly entries: number;
}

export interface BitmapEntry {
  readonly name: string;
  readonly granularityBits: number;
  readonly flags: number;
  readonly extraData: Uint8Array;
  readonly table: TablePlace;
}

/** @throws DiskError `corrupt` unless the directory holds exactly `count` sound entries */
export function decodeDirectory(directory: Uint8Array, count: number): BitmapEntry[] {
  const entries: BitmapEntry[] = [];
  let at = 0;
  while (at < directory.length) {
    if (at + bitmapDirectoryEntry.spanBytes > directory.length) throw damaged();
    const { entry, spanBytes } = decodeEntry(directory, at);
    entries.push(entry);
    at += spanBytes;
  }
  if (entries.length === count) return entries;
  throw corrupt(
    'qcow2.bitmap-directory',
    `The bitmap directory holds ${entries.length} bitmaps where the header counts ${count}`,
  );
}

function decodeEntry(
  directory: Uint8Array,
  at: number,
): { readonly entry: BitmapEntry; readonly spanBytes: number } {
  const raw = bitmapDirectoryEntry.decode(directory, at);
  const extraOffset = at + bitmapDirectoryEntry.spanBytes;
  const nameOffset = extraOffset + raw.extra_data_size;
  const spanBytes = alignUp(nameOffset + raw.name_size - at, 8);
  const valid =
    raw.type === TYPE_DIRTY_TRACKING &&
    raw.name_size > 0 &&
    raw.name_size <= MAX_NAME_BYTES &&
    raw.granularity_bits <= MAX_STORED_GRANULARITY_BITS &&
    at + spanBytes <= directory.length;
  if (!valid) throw damaged();
  return {
    entry: {
      name: decodeName(directory.subarray(nameOffset, nameOffset + raw.name_size)),
      granularityBits: raw.granularity_bits,
      flags: raw.flags,
      extraData: directory.slice(extraOffset, nameOffset),
      table: { offset: raw.bitmap_table_offset, entries: raw.bitmap_table_size },
    },
    spanBytes,
  };
}

function damaged(): Error {
  return corrupt('qcow2.bitmap-entry', 'An entry of the bitmap directory is damaged');
}

export function encodeDirectory(entries: readonly BitmapEntry[]): Uint8Array {
  const names = entries.map(({ name }) => encodeName(name));
  const spans = entries.map((entry, index) => spanOf(entry, names[index]!));
  const directory = new Uint8Array(spans.reduce((sum, span) => sum + span, 0));
  let at = 0;
  for (const [index, { granularityBits, flags, extraData, table }] of entries.entries()) {
    const name = names[index]!;
    bitmapDirectoryEntry.encode(
      {
        bitmap_table_offset: table.offset,
        bitmap_table_size: table.entries,
        flags,
        type: TYPE_DIRTY_TRACKING,
        granularity_bits: granularityBits,
        name_size: name.length,
        extra_data_size: extraData.length,
      },
      directory,
      at,
    );
    const extraOffset = at + bitmapDirectoryEntry.spanBytes;
    directory.set(extraData, extraOffset);
    directory.set(name, extraOffset + extraData.length);
    at += spans[index]!;
  }
  return directory;
}

function spanOf({ extraData }: BitmapEntry, name: Uint8Array): number {
  return entrySpanBytes(extraData.length + name.length);
}

/** What an entry takes in the directory. */
export function entrySpanBytes(nameAndExtraDataBytes: number): number {
  return alignUp(bitmapDirectoryEntry.spanBytes + nameAndExtraDataBytes, 8);
}

/** Whether the bitmap was not saved properly, so that nothing may be concluded from it. */
export function isInUse({ flags }: BitmapEntry): boolean {
  return hasAnyBit(flags, FLAG.inUse);
}

/** Whether writes are recorded in it. */
export function isAuto({ flags }: BitmapEntry): boolean {
  return hasAnyBit(flags, FLAG.auto);
}

/** Whether all that the entry says is understood here, or may be passed over. */
export function isUnderstood({ flags, extraData }: BitmapEntry): boolean {
  if (clearBits(flags, KNOWN_FLAGS) !== 0) return false;
  return extraData.length === 0 || hasAnyBit(flags, FLAG.extraDataCompatible);
}

export function withFlag(entry: BitmapEntry, flag: number, on: boolean): BitmapEntry {
  const { flags } = entry;
  return { ...entry, flags: on ? setBits(flags, flag) : clearBits(flags, flag) };
}

export function describeBitmap({ name, granularityBits, flags }: BitmapEntry): BitmapInfo {
  return {
    name,
    granularityBytes: powerOfTwo(granularityBits),
    flags: FLAG_NAMES.filter((_, bit) => testBit(flags, bit)),
  };
}
