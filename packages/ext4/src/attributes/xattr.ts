/** Extended attributes of an inode: in its record, in a block, in inodes of their own. */
import { crc32cRaw, decodeName, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { aclForUsers } from './acl.ts';
import { crc32cU32le, crc32cWithHole } from '../checksum.ts';
import { INCOMPAT } from '../features.ts';
import { hasFlag, INODE_FLAG } from '../inodes/inode-flags.ts';
import type { Inode } from '../inodes/inode.ts';
import type { VolumeParts } from '../volume-parts.ts';
import { atOffset } from '../report.ts';
import { readWholeFile } from '../blocks/whole-file.ts';
import {
  ext4_inode,
  XATTR_BLOCK_HEADER_BYTES,
  XATTR_IBODY_HEADER_BYTES,
  XATTR_MAGIC,
} from '../structs.ts';
import { type AttributeEntry, parseAttributes } from './xattr-entries.ts';

/** Values of one inode, together; several entries may name one large value. */
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
const CHECKSUM_AT = 0x10;

const ACL_ACCESS = 2;
const ACL_DEFAULT = 3;
const SYSTEM = 7;

/** Prefixes by `e_name_index`. Indexes of ext4's own, such as encryption contexts, have none. */
const PREFIXES: Readonly<Record<number, string>> = {
  0: '',
  1: 'user.',
  [ACL_ACCESS]: 'system.posix_acl_access',
  [ACL_DEFAULT]: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
  [SYSTEM]: 'system.',
  8: 'system.richacl',
  10: 'gnu.',
};

/** The attributes that programs may see, by full name, with values as `getxattr(2)` gives them. */
export function* readAttributes(
  inode: Inode,
  parts: VolumeParts,
): Step<ReadonlyMap<string, Uint8Array>> {
  const attributes = new Map<string, Uint8Array>();
  const entries = [...recordEntries(inode, parts), ...(yield* blockEntries(inode, parts))];
  let totalBytes = 0;
  for (const entry of entries) {
    const name = fullName(entry);
    if (name === undefined || attributes.has(name)) continue;
    totalBytes += entry.valueBytes;
    if (totalBytes > MAX_TOTAL_BYTES) {
      throw parts.report.limit(
        'attributes-too-large',
        `The extended attributes of inode ${inode.number} take more than ${MAX_TOTAL_BYTES} bytes`,
      );
    }
    const value =
      entry.valueInode === 0 ? entry.value.slice() : yield* readValueInode(entry, inode, parts);
    const isAcl = entry.nameIndex === ACL_ACCESS || entry.nameIndex === ACL_DEFAULT;
    attributes.set(name, isAcl ? aclForUsers(value, inode.number, parts.report) : value);
  }
  return attributes;
}

/** The part of inline data that did not fit into `i_block` ("Inline Data"); empty without one. */
export function inlineRemainder(inode: Inode, parts: VolumeParts): Uint8Array {
  return recordEntries(inode, parts).find(isInlineData)?.value ?? new Uint8Array();
}

function isInlineData({ nameIndex, nameBytes }: AttributeEntry): boolean {
  return nameIndex === SYSTEM && decodeName(nameBytes) === 'data';
}

function fullName(entry: AttributeEntry): string | undefined {
  const prefix = PREFIXES[entry.nameIndex];
  if (prefix === undefined || isInlineData(entry)) return undefined;
  return prefix + decodeName(entry.nameBytes);
}

function recordEntries(inode: Inode, { report }: VolumeParts): AttributeEntry[] {
  const { record, fieldsEnd, number } = inode;
  const firstEntryAt = fieldsEnd + XATTR_IBODY_HEADER_BYTES;
  if (firstEntryAt > record.length || readU32le(record, fieldsEnd) !== XATTR_MAGIC) return [];
  const place = `inode ${number}`;
  return parseAttributes({ bytes: record, firstEntryAt, valuesFrom: firstEntryAt, place }, report);
}

function* blockEntries(inode: Inode, parts: VolumeParts): Step<AttributeEntry[]> {
  const block = inode.attributeBlock;
  if (block === 0) return [];
  const { reader, report } = parts;
  const bytes = yield* reader.read(block);
  return atOffset(block * reader.blockBytes, () => {
    if (readU32le(bytes, 0) !== XATTR_MAGIC || readU32le(bytes, 8) !== 1) {
      throw report.corrupt(
        'attributes',
        `Block ${block} is said to hold extended attributes of inode ${inode.number}, but does not`,
      );
    }
    verifyBlock(bytes, block, parts);
    const place = `block ${block}`;
    return parseAttributes(
      { bytes, firstEntryAt: XATTR_BLOCK_HEADER_BYTES, valuesFrom: 0, place },
      report,
    );
  });
}

function verifyBlock(bytes: Uint8Array, block: number, { superblock, report }: VolumeParts): void {
  if (superblock.checksumKind !== 'crc32c') return;
  const low = crc32cU32le(block % 2 ** 32, superblock.checksumSeed);
  const register = crc32cU32le(Math.floor(block / 2 ** 32), low);
  if (crc32cWithHole(bytes, CHECKSUM_AT, 4, register) === readU32le(bytes, CHECKSUM_AT)) return;
  report.damage('attribute-checksum', `The checksum of attribute block ${block} does not fit`);
}

/** A value that has an inode of its own ("Large Extended Attribute Values"). */
function* readValueInode(
  entry: AttributeEntry,
  owner: Inode,
  parts: VolumeParts,
): Step<Uint8Array> {
  const { superblock, report } = parts;
  const fault = (what: string) =>
    report.corrupt(
      'attribute-inode',
      `An attribute of inode ${owner.number} is said to be in inode ${entry.valueInode}, ${what}`,
    );
  if (!superblock.features.hasIncompat(INCOMPAT.EA_INODE)) {
    throw fault('but the filesystem has no ea_inode feature');
  }
  if (!parts.inodes.has(entry.valueInode)) throw fault('which does not exist');
  const holder = yield* parts.inodes.read(entry.valueInode);
  if (holder.type !== 'file' || !hasFlag(holder.flags, INODE_FLAG.EA_INODE)) {
    throw fault('which holds no attribute value');
  }
  if (holder.sizeBytes !== entry.valueBytes) {
    throw fault(`which has ${holder.sizeBytes} bytes, not ${entry.valueBytes}`);
  }
  const value = yield* readWholeFile(holder, parts);
  const hash = readU32le(holder.record, ext4_inode.i_atime);
  const ownedBy = readU32le(holder.record, ext4_inode.i_mtime);
  const fits = crc32cRaw(value, superblock.checksumSeed) === hash;
  // The first version of the feature kept no hash but the owner's number.
  if (!fits && ownedBy !== owner.number) {
    report.damage('attribute-hash', `The hash of attribute inode ${holder.number} does not fit`);
  }
  return value;
}
