/**
 * Where the block tables of an image are: resources of type `blkx`, in a property list or, in old
 * images, in a resource fork ("Inside Macintosh: More Macintosh Toolbox", chapter 1).
 */
import { decodeName, readU16be, readU32be } from '@diskfile/bytes';
import { decodeBase64 } from './base64.ts';
import { type PropertyDict, parsePropertyList, PropertyText } from './property-list.ts';
import { corrupt } from './refusals.ts';

/** A block table, not yet looked at. */
export interface TableResource {
  /** What the table is about, as `disk image (Apple_HFS : 4)`. */
  readonly name: string;
  bytes(): Uint8Array;
}

export function tablesInPropertyList(xml: Uint8Array): TableResource[] {
  const root = parsePropertyList(xml);
  const fork = root instanceof Map ? root.get('resource-fork') : undefined;
  const tables = fork instanceof Map ? fork.get('blkx') : undefined;
  if (!Array.isArray(tables)) throw noTables('property list');
  return tables.map((resource) => {
    const data = resource instanceof Map ? resource.get('Data') : undefined;
    if (!(data instanceof PropertyText) || data.tag !== 'data') throw noTables('property list');
    return {
      name: nameOf(resource as PropertyDict),
      bytes: () => decodeBase64(data.bytes),
    };
  });
}

function nameOf(resource: PropertyDict): string {
  const name = resource.get('Name') ?? resource.get('CFName');
  return name instanceof PropertyText ? name.text : '';
}

/** "blkx" */
const BLOCK_TABLE_TYPE = 0x626c_6b78;
const HEADER_BYTES = 16;
/** Within the map: the offset of the type list, behind copies of the header and fields for memory. */
const TYPE_LIST_AT = 24;
const NAME_LIST_AT = 26;
const MAP_BYTES = 28;
const TYPE_BYTES = 8;
const REFERENCE_BYTES = 12;
const NO_NAME = 0xffff;

export function tablesInResourceFork(fork: Uint8Array): TableResource[] {
  requireBytes(fork, 0, HEADER_BYTES);
  const dataAt = readU32be(fork, 0);
  const mapAt = readU32be(fork, 4);
  requireBytes(fork, mapAt, MAP_BYTES);
  const typesAt = mapAt + readU16be(fork, mapAt + TYPE_LIST_AT);
  const namesAt = mapAt + readU16be(fork, mapAt + NAME_LIST_AT);
  requireBytes(fork, typesAt, 2);
  const typeCount = countAt(fork, typesAt);
  requireBytes(fork, typesAt + 2, typeCount * TYPE_BYTES);
  for (let index = 0; index < typeCount; index++) {
    const typeAt = typesAt + 2 + index * TYPE_BYTES;
    if (readU32be(fork, typeAt) !== BLOCK_TABLE_TYPE) continue;
    const count = countAt(fork, typeAt + 4);
    const referencesAt = typesAt + readU16be(fork, typeAt + 6);
    requireBytes(fork, referencesAt, count * REFERENCE_BYTES);
    return Array.from({ length: count }, (_, reference) =>
      readReference(fork, referencesAt + reference * REFERENCE_BYTES, dataAt, namesAt),
    );
  }
  throw noTables('resource fork');
}

/** Counts are one less than they say. */
function countAt(fork: Uint8Array, at: number): number {
  return (readU16be(fork, at) + 1) % 0x1_0000;
}

function readReference(
  fork: Uint8Array,
  at: number,
  dataAt: number,
  namesAt: number,
): TableResource {
  const nameOffset = readU16be(fork, at + 2);
  // The upper byte holds attributes.
  const resourceAt = dataAt + (readU32be(fork, at + 4) % 0x100_0000);
  requireBytes(fork, resourceAt, 4);
  const lengthBytes = readU32be(fork, resourceAt);
  requireBytes(fork, resourceAt + 4, lengthBytes);
  return {
    name: nameOffset === NO_NAME ? '' : pascalString(fork, namesAt + nameOffset),
    bytes: () => fork.subarray(resourceAt + 4, resourceAt + 4 + lengthBytes),
  };
}

function pascalString(fork: Uint8Array, at: number): string {
  requireBytes(fork, at, 1);
  const lengthBytes = fork[at]!;
  requireBytes(fork, at + 1, lengthBytes);
  return decodeName(fork.subarray(at + 1, at + 1 + lengthBytes));
}

function requireBytes(fork: Uint8Array, at: number, lengthBytes: number): void {
  if (at + lengthBytes > fork.length) {
    throw corrupt('dmg.resource-fork', 'The resource fork leads past its end');
  }
}

function noTables(where: string): Error {
  return corrupt('dmg.no-tables', `The ${where} holds no block tables`);
}
