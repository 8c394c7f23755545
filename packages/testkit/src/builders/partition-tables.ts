/** Disks with partition tables, built byte by byte for tests and as seeds of the fuzzer. */
import { crc32, readU32le, readU64le, writeU16le, writeU32le, writeU64le } from '@diskfile/bytes';

export interface BootRecordEntrySpec {
  readonly status?: number;
  readonly type: number;
  readonly startLba: number;
  readonly sizeLba: number;
}

/** A boot record (MBR or EBR); an undefined entry stays empty. */
export function buildBootRecord(
  entries: readonly (BootRecordEntrySpec | undefined)[],
  diskSignature = 0,
): Uint8Array {
  const record = new Uint8Array(512);
  writeU32le(record, 440, diskSignature);
  for (const [index, entry] of entries.entries()) {
    if (entry === undefined) continue;
    const at = 446 + 16 * index;
    record[at] = entry.status ?? 0;
    record[at + 4] = entry.type;
    writeU32le(record, at + 8, entry.startLba);
    writeU32le(record, at + 12, entry.sizeLba);
  }
  writeU16le(record, 510, 0xaa55);
  return record;
}

/** A logical partition and the sector that holds its extended boot record. */
export interface LogicalSpec extends BootRecordEntrySpec {
  readonly recordLba: number;
}

/** Writes a chain of extended boot records, linked in the order given. */
export function writeLogicalChain(
  disk: Uint8Array,
  extendedLba: number,
  logicals: readonly LogicalSpec[],
  sectorBytes = 512,
): void {
  for (const [index, logical] of logicals.entries()) {
    const next = logicals[index + 1];
    const record = buildBootRecord([
      { ...logical, startLba: logical.startLba - logical.recordLba },
      next && {
        type: 0x05,
        startLba: next.recordLba - extendedLba,
        sizeLba: next.startLba + next.sizeLba - next.recordLba,
      },
    ]);
    disk.set(record, logical.recordLba * sectorBytes);
  }
}

export interface GptPartitionSpec {
  /** From 1; its place in the table. */
  readonly number: number;
  readonly type: string;
  readonly uuid: string;
  readonly firstLba: number;
  readonly lastLba: number;
  /** Bits 0 to 31 and 32 to 63. */
  readonly attributes?: readonly [low: number, high: number];
  readonly name?: string;
}

export interface GptSpec {
  readonly sizeBytes: number;
  readonly sectorBytes?: number;
  readonly entryBytes?: number;
  readonly entryCount?: number;
  readonly diskGuid?: string;
  readonly partitions: readonly GptPartitionSpec[];
  /** Entries of the MBR; by default one that protects the whole disk. */
  readonly mbr?: readonly (BootRecordEntrySpec | undefined)[];
}

const HEADER_BYTES = 92;

/** A disk with a protective MBR and both copies of the GPT. */
export function buildGptDisk(spec: GptSpec): Uint8Array {
  const { sizeBytes, sectorBytes = 512, entryBytes = 128, entryCount = 128 } = spec;
  const disk = new Uint8Array(sizeBytes);
  const lastLba = Math.floor(sizeBytes / sectorBytes) - 1;
  const protective = { type: 0xee, startLba: 1, sizeLba: Math.min(lastLba, 0xffff_ffff) };
  disk.set(buildBootRecord(spec.mbr ?? [protective]), 0);
  const array = buildEntryArray(spec.partitions, entryBytes, entryCount);
  const arraySectors = Math.ceil(array.length / sectorBytes);
  const layout = {
    firstUsableLba: 2 + arraySectors,
    lastUsableLba: lastLba - arraySectors - 1,
    diskGuid: spec.diskGuid ?? '11111111-2222-3333-4444-555555555555',
    entryBytes,
    entryCount,
    array,
  };
  const backupArrayLba = lastLba - arraySectors;
  disk.set(array, 2 * sectorBytes);
  disk.set(array, backupArrayLba * sectorBytes);
  const primary = { myLba: 1, alternateLba: lastLba, entryLba: 2 };
  const backup = { myLba: lastLba, alternateLba: 1, entryLba: backupArrayLba };
  disk.set(buildHeader({ ...layout, ...primary }), sectorBytes);
  disk.set(buildHeader({ ...layout, ...backup }), lastLba * sectorBytes);
  return disk;
}

function buildEntryArray(
  partitions: readonly GptPartitionSpec[],
  entryBytes: number,
  entryCount: number,
): Uint8Array {
  const array = new Uint8Array(entryBytes * entryCount);
  for (const partition of partitions) {
    const at = (partition.number - 1) * entryBytes;
    array.set(encodeGuid(partition.type), at);
    array.set(encodeGuid(partition.uuid), at + 16);
    writeU64le(array, at + 32, partition.firstLba);
    writeU64le(array, at + 40, partition.lastLba);
    const [low, high] = partition.attributes ?? [0, 0];
    writeU32le(array, at + 48, low);
    writeU32le(array, at + 52, high);
    const name = partition.name ?? '';
    for (let unit = 0; unit < name.length; unit++) {
      writeU16le(array, at + 56 + 2 * unit, name.charCodeAt(unit));
    }
  }
  return array;
}

interface HeaderSpec {
  readonly myLba: number;
  readonly alternateLba: number;
  readonly entryLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly diskGuid: string;
  readonly entryBytes: number;
  readonly entryCount: number;
  readonly array: Uint8Array;
}

function buildHeader(spec: HeaderSpec): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(new TextEncoder().encode('EFI PART'));
  writeU32le(header, 8, 0x0001_0000);
  writeU32le(header, 12, HEADER_BYTES);
  writeU64le(header, 24, spec.myLba);
  writeU64le(header, 32, spec.alternateLba);
  writeU64le(header, 40, spec.firstUsableLba);
  writeU64le(header, 48, spec.lastUsableLba);
  header.set(encodeGuid(spec.diskGuid), 56);
  writeU64le(header, 72, spec.entryLba);
  writeU32le(header, 80, spec.entryCount);
  writeU32le(header, 84, spec.entryBytes);
  writeU32le(header, 88, crc32(spec.array));
  writeU32le(header, 16, crc32(header));
  return header;
}

/**
 * Makes both checksums of the header at `headerOffset` right again, where its fields still lie
 * within the disk: how a damaged table gets past them.
 */
export function repairGptChecksums(
  disk: Uint8Array,
  headerOffset: number,
  sectorBytes: number,
): void {
  if (headerOffset + HEADER_BYTES > disk.length) return;
  const header = disk.subarray(headerOffset);
  const entryBytes = readU32le(header, 80) * readU32le(header, 84);
  const isOffset = readU32le(header, 76) <= 0x1f_ffff;
  const entryLba = isOffset ? readU64le(header, 72, 'PartitionEntryLBA') : Infinity;
  const arrayOffset = entryLba * sectorBytes;
  if (arrayOffset + entryBytes <= disk.length) {
    writeU32le(header, 88, crc32(disk.subarray(arrayOffset, arrayOffset + entryBytes)));
  }
  const headerBytes = readU32le(header, 12);
  if (headerBytes < HEADER_BYTES || headerBytes > header.length) return;
  writeU32le(header, 16, 0);
  writeU32le(header, 16, crc32(header.subarray(0, headerBytes)));
}

/** The 16 bytes of a GUID as UEFI stores it: the first three groups little endian. */
function encodeGuid(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Uint8Array.from(order, (from) => Number.parseInt(hex.slice(2 * from, 2 * from + 2), 16));
}
