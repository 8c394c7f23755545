/**
 * The seek table at the end of a file in the Zstandard Seekable Format (zstd's own description,
 * version 0.1.0): how long each frame is, packed and unpacked, in a skippable frame.
 */
import { bitField, DiskError, readU32le } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { UnitTable } from '../unit-table.ts';

export const SEEK_TABLE_MAGIC = 0x8f92_eab1;
/** Magic number of the skippable frame that holds the table. */
export const SKIPPABLE_MAGIC = 0x184d_2a5e;
/** What precedes the entries: that magic number, and the length of what follows. */
export const HEADER_BYTES = 8;
/** Number_Of_Frames, Seek_Table_Descriptor, Seekable_Magic_Number. */
export const FOOTER_BYTES = 9;
/** Compressed_Size and Decompressed_Size; with a checksum four bytes more. */
const ENTRY_BYTES = 8;
/** The bit Checksum_Flag of Seek_Table_Descriptor. */
export const CHECKSUM_FLAG = 0x80;
/** Its reserved bits; two more are unused and may be anything. */
const RESERVED_SHIFT = 2;
const RESERVED_WIDTH = 5;

export interface SeekTable {
  readonly units: UnitTable;
  readonly hasChecksums: boolean;
}

/**
 * Undefined where the file ends in none.
 * @throws DiskError `corrupt` for a table that does not cover the file from its start to the table
 */
export function* readSeekTable(storage: Storage, limits: Limits): Step<SeekTable | undefined> {
  const footerAt = storage.sizeBytes - FOOTER_BYTES;
  if (footerAt < HEADER_BYTES) return undefined;
  const footer = yield* readBytes(storage, footerAt, FOOTER_BYTES);
  if (readU32le(footer, 5) !== SEEK_TABLE_MAGIC) return undefined;
  const count = readU32le(footer, 0);
  const descriptor = footer[4]!;
  const hasChecksums = descriptor >= CHECKSUM_FLAG;
  const entryBytes = ENTRY_BYTES + (hasChecksums ? 4 : 0);
  const tableBytes = count * entryBytes;
  const start = footerAt - tableBytes - HEADER_BYTES;
  if (bitField(descriptor, RESERVED_SHIFT, RESERVED_WIDTH) !== 0)
    throw lying('it has reserved bits', footerAt);
  if (start < 0) throw lying('it is longer than the file', footerAt);
  if (tableBytes > limits.maxStructureBytes) throw tooLong(count, footerAt);
  const table = yield* readBytes(storage, start, HEADER_BYTES + tableBytes);
  const isFrame = readU32le(table, 0) === SKIPPABLE_MAGIC;
  if (!isFrame || readU32le(table, 4) !== tableBytes + FOOTER_BYTES) {
    throw lying('it is not in a frame of its length', start);
  }
  const units = new UnitTable(limits);
  let hostOffset = 0;
  for (let at = HEADER_BYTES; at < table.length; at += entryBytes) {
    const hostBytes = readU32le(table, at);
    units.add(hostOffset, hostBytes, readU32le(table, at + 4));
    hostOffset += hostBytes;
  }
  if (hostOffset !== start) throw lying('it does not cover the file', start);
  return { units, hasChecksums };
}

function lying(why: string, offset: number): DiskError {
  return new DiskError('corrupt', 'zstd.seek-table', `The seek table is damaged: ${why}`, {
    offset,
    hint: 'Unpack the file with zstd -d, which does without the table.',
  });
}

function tooLong(count: number, offset: number): DiskError {
  return new DiskError('limit', 'zstd.seek-table', `The seek table tells of ${count} frames`, {
    offset,
    hint: 'Raise limits.maxStructureBytes if the file can be trusted.',
  });
}
