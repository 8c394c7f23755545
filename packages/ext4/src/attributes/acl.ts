/**
 * POSIX access control lists. On disk they have version 1 and leave out ids that mean nothing;
 * `getxattr(2)` gives version 2, where every entry has one (acl(5), "Extended Attributes").
 */
import { readU16le, readU32le, writeU16le, writeU32le } from '@diskfile/bytes';
import type { Report } from '../report.ts';

const DISK_VERSION = 1;
const USER_VERSION = 2;
const HEADER_BYTES = 4;
const SHORT_ENTRY_BYTES = 4;
const LONG_ENTRY_BYTES = 8;
const UNDEFINED_ID = 0xffff_ffff;

/** Entries of named users (2) and groups (8) carry an id; owner, group, mask and other do not. */
const TAGS_WITH_ID = new Set([0x02, 0x08]);
const TAGS_WITHOUT_ID = new Set([0x01, 0x04, 0x10, 0x20]);

/** The value of `system.posix_acl_*` as programs see it. */
export function aclForUsers(value: Uint8Array, inodeNumber: number, report: Report): Uint8Array {
  const fault = () =>
    report.corrupt('acl', `An access control list of inode ${inodeNumber} cannot be decoded`);
  if (value.length < HEADER_BYTES || readU32le(value, 0) !== DISK_VERSION) throw fault();
  const entries = Math.floor((value.length - HEADER_BYTES) / SHORT_ENTRY_BYTES);
  const out = new Uint8Array(HEADER_BYTES + entries * LONG_ENTRY_BYTES);
  writeU32le(out, 0, USER_VERSION);
  let from = HEADER_BYTES;
  let to = HEADER_BYTES;
  while (from < value.length) {
    if (value.length - from < SHORT_ENTRY_BYTES) throw fault();
    const tag = readU16le(value, from);
    const withId = TAGS_WITH_ID.has(tag);
    if (!withId && !TAGS_WITHOUT_ID.has(tag)) throw fault();
    if (withId && value.length - from < LONG_ENTRY_BYTES) throw fault();
    writeU16le(out, to, tag);
    writeU16le(out, to + 2, readU16le(value, from + 2));
    writeU32le(out, to + 4, withId ? readU32le(value, from + 4) : UNDEFINED_ID);
    from += withId ? LONG_ENTRY_BYTES : SHORT_ENTRY_BYTES;
    to += LONG_ENTRY_BYTES;
  }
  return out.slice(0, to);
}
