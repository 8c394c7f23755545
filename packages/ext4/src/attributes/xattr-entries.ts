/** The entries of an attribute area, in an inode or in a block ("Extended Attributes"). */
import { readU16le, readU32le } from '@diskfile/bytes';
import type { Report } from '../report.ts';
import { XATTR_ENTRY_BYTES } from '../structs.ts';

/** Largest value that Linux lets a filesystem have; ext4's own bound for values in inodes. */
const MAX_VALUE_BYTES = 2 ** 24;

export interface AttributeEntry {
  /** Which prefix the name has (`e_name_index`). */
  readonly nameIndex: number;
  /** The name after its prefix. */
  readonly nameBytes: Uint8Array;
  readonly valueBytes: number;
  /** Inode that holds the value, 0 when it is in the area itself. */
  readonly valueInode: number;
  /** The value within the area; empty when an inode holds it. */
  readonly value: Uint8Array;
}

/** Where entries stand and what their value offsets count from. */
export interface AttributeArea {
  readonly bytes: Uint8Array;
  readonly firstEntryAt: number;
  readonly valuesFrom: number;
  /** For error messages: `inode 12`, `block 1034`. */
  readonly place: string;
}

/** All entries, checked: each lies within the area. @throws DiskError `corrupt` */
export function parseAttributes(area: AttributeArea, report: Report): AttributeEntry[] {
  const { bytes, firstEntryAt, place } = area;
  const fault = (what: string) =>
    report.corrupt('attributes', `Extended attributes in ${place}: ${what}`);
  const entries: AttributeEntry[] = [];
  let at = firstEntryAt;
  // Four zero bytes end the list; the end of the area does so, too.
  while (at + 4 <= bytes.length && readU32le(bytes, at) !== 0) {
    const nameLength = bytes[at]!;
    const end = at + XATTR_ENTRY_BYTES + Math.ceil(nameLength / 4) * 4;
    if (end > bytes.length) throw fault(`the entry at ${at} leaves them`);
    const nameAt = at + XATTR_ENTRY_BYTES;
    const valueInode = readU32le(bytes, at + 4);
    const valueBytes = readU32le(bytes, at + 8);
    const valueAt = area.valuesFrom + readU16le(bytes, at + 2);
    if (valueBytes > MAX_VALUE_BYTES) throw fault(`a value of ${valueBytes} bytes`);
    if (valueInode === 0 && valueBytes > 0 && valueAt + valueBytes > bytes.length) {
      throw fault(`the value of the entry at ${at} leaves them`);
    }
    entries.push({
      nameIndex: bytes[at + 1]!,
      nameBytes: bytes.subarray(nameAt, nameAt + nameLength),
      valueBytes,
      valueInode,
      value: valueInode === 0 ? bytes.subarray(valueAt, valueAt + valueBytes) : new Uint8Array(),
    });
    at = end;
  }
  return entries;
}
