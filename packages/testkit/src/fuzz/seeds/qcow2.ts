/** Where the fields and tables of a qcow2 image are (QEMU manual, "Qcow2 Image File Format"). */
import { joinU64, readU32be, writeU32be, writeU64be } from '@diskfile/bytes';
import { type Field, headerFields, type Region, type SeedImage } from '../seed-image.ts';
import { type NamedBytes, testImages } from './image-folder.ts';

const MAX_SEED_BYTES = 256 * 1024;
const MAX_L2_TABLES = 4;

const HEADER = [
  ['magic', 0, 4],
  ['version', 4, 4],
  ['backing_file_offset', 8, 8],
  ['backing_file_size', 16, 4],
  ['cluster_bits', 20, 4],
  ['size', 24, 8],
  ['crypt_method', 32, 4],
  ['l1_size', 36, 4],
  ['l1_table_offset', 40, 8],
  ['refcount_table_offset', 48, 8],
  ['refcount_table_clusters', 56, 4],
  ['nb_snapshots', 60, 4],
  ['snapshots_offset', 64, 8],
] as const;

const HEADER_V3 = [
  ['incompatible_features', 72, 8],
  ['compatible_features', 80, 8],
  ['autoclear_features', 88, 8],
  ['refcount_order', 96, 4],
  ['header_length', 100, 4],
  ['compression_type', 104, 1],
] as const;

export function qcow2Seeds(): SeedImage[] {
  const images = testImages('.qcow2', MAX_SEED_BYTES);
  return [...images, { name: 'shared-tables', bytes: buildSharedTables() }].map(describeQcow2);
}

/** Many L1 entries that lead to one L2 table of one cluster: 128 TiB in 320 KiB. */
function buildSharedTables(): Uint8Array {
  const clusterBytes = 65_536;
  const l1Entries = 2 ** 13;
  const [l1, l2, refcounts, data] = [1, 2, 3, 4].map((index) => index * clusterBytes);
  const bytes = new Uint8Array(5 * clusterBytes);
  writeU32be(bytes, 0, 0x5146_49fb);
  writeU32be(bytes, 4, 3);
  writeU32be(bytes, 20, 16);
  writeU64be(bytes, 24, (l1Entries * clusterBytes * clusterBytes) / 8);
  writeU32be(bytes, 36, l1Entries);
  writeU64be(bytes, 40, l1!);
  writeU64be(bytes, 48, refcounts!);
  writeU32be(bytes, 56, 1);
  writeU32be(bytes, 96, 4);
  writeU32be(bytes, 100, 104);
  for (let at = 0; at < clusterBytes; at += 8) {
    writeU64be(bytes, l1! + at, l2!);
    writeU64be(bytes, l2! + at, data!);
  }
  return bytes;
}

export function describeQcow2({ name, bytes }: NamedBytes): SeedImage {
  const version = readU32be(bytes, 4);
  const clusterBytes = 2 ** readU32be(bytes, 20);
  const headerBytes = version === 2 ? 72 : readU32be(bytes, 100);
  const fields = headerFields(0, true, version === 2 ? HEADER : [...HEADER, ...HEADER_V3]);
  const extensions = extensionFields(bytes, headerBytes);
  const regions = [...mappingTables(bytes, clusterBytes), ...otherTables(bytes, clusterBytes)];
  return {
    name,
    bytes,
    unitBytes: clusterBytes,
    fields: [...fields, ...extensions.fields],
    regions: [...regions, ...extensions.regions].filter(({ offset }) => offset < bytes.length),
  };
}

function extensionFields(
  bytes: Uint8Array,
  headerBytes: number,
): { fields: Field[]; regions: Region[] } {
  const fields: Field[] = [];
  const regions: Region[] = [];
  for (let at = headerBytes; at + 8 <= bytes.length;) {
    const lengthBytes = readU32be(bytes, at + 4);
    fields.push(
      ...headerFields(at, true, [
        ['extension type', 0, 4],
        ['extension length', 4, 4],
      ]),
    );
    if (readU32be(bytes, at) === 0) break;
    regions.push(region('extension data', at + 8, lengthBytes, 4));
    at += 8 + Math.ceil(lengthBytes / 8) * 8;
  }
  return { fields, regions };
}

function mappingTables(bytes: Uint8Array, clusterBytes: number): Region[] {
  const l1Entries = readU32be(bytes, 36);
  const l1Offset = offsetAt(bytes, 40);
  const tables = [region('L1', l1Offset, l1Entries * 8, 8)];
  for (let index = 0; index < l1Entries && tables.length <= MAX_L2_TABLES; index++) {
    const l2Offset = entryOffset(bytes, l1Offset + 8 * index);
    if (l2Offset > 0) tables.push(region(`L2 ${index}`, l2Offset, clusterBytes, 8));
  }
  return tables;
}

function otherTables(bytes: Uint8Array, clusterBytes: number): Region[] {
  const refcountTable = offsetAt(bytes, 48);
  const tables = [region('refcount table', refcountTable, clusterBytes, 8)];
  const block = entryOffset(bytes, refcountTable);
  if (block > 0) tables.push(region('refcount block', block, clusterBytes, 2));
  const snapshots = offsetAt(bytes, 64);
  if (readU32be(bytes, 60) > 0) {
    tables.push(region('snapshots', snapshots, 160, 4));
    const l1 = snapshots + 8 <= bytes.length ? offsetAt(bytes, snapshots) : 0;
    if (l1 > 0) tables.push(region("snapshot's L1", l1, 64, 8));
  }
  return tables;
}

function region(
  name: string,
  offset: number,
  lengthBytes: number,
  widthBytes: Region['widthBytes'],
): Region {
  return { name, offset, lengthBytes, widthBytes, bigEndian: true };
}

function offsetAt(bytes: Uint8Array, at: number): number {
  return joinU64(readU32be(bytes, at), readU32be(bytes, at + 4), 'offset');
}

/** Offset in an L1 entry: bits 9 to 55. */
function entryOffset(bytes: Uint8Array, at: number): number {
  if (at + 8 > bytes.length) return 0;
  const low = readU32be(bytes, at + 4);
  return (readU32be(bytes, at) % 2 ** 24) * 2 ** 32 + (low - (low % 512));
}
