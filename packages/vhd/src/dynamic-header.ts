/** The header of dynamic and differencing disks: where the table is, and what the parent is. */
import { decodeUtf16be, divideUp, DiskError, formatUuid, powerOfTwo } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, type VhdFooter } from './footer.ts';
import {
  checksumOf,
  dynamicDiskHeader,
  HEADER_COOKIE,
  parentLocator,
  SECTOR_BYTES,
} from './structs.ts';

export interface ParentLocator {
  /** Four characters: `W2ru`, `MacX`, … */
  readonly platformCode: string;
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface DynamicHeader {
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly blockBytes: number;
  /** Precedes the data of each block: a bit for each of its sectors. */
  readonly bitmapBytes: number;
  readonly parentUniqueId: string;
  readonly parentName: string;
  readonly parentLocators: readonly ParentLocator[];
}

/** As QEMU has it: no table is longer than 2^31 bytes. */
const MAX_TABLE_ENTRIES = 2 ** 29 - 1;
const CHECKSUM_AT = dynamicDiskHeader.offsetOf('checksum');
const LOCATORS = 8;
/** Longest path that a locator can hold; Windows allows half of it. */
const MAX_LOCATOR_BYTES = 64 * 1024;
const MIN_BLOCK_BYTES = SECTOR_BYTES * 8;
const MAX_BLOCK_BYTES = powerOfTwo(28);

export function* readDynamicHeader(
  storage: Storage,
  footer: VhdFooter,
  limits: Limits,
): Step<DynamicHeader> {
  const at = footer.headerOffset;
  const bytes = yield* readBytes(storage, at, dynamicDiskHeader.spanBytes);
  const raw = dynamicDiskHeader.decode(bytes);
  if (String.fromCharCode(...raw.cookie) !== HEADER_COOKIE) {
    throw corrupt('vhd.header-cookie', 'There is no header where the footer places it', at);
  }
  checkBlockSize(raw.blockSize, at);
  checkTable(storage, raw, footer, limits);
  if (raw.checksum !== checksumOf(bytes, CHECKSUM_AT)) {
    throw corrupt('vhd.header-checksum', 'The checksum of the dynamic disk header is wrong', at);
  }
  const bitmapBytes = divideUp(raw.blockSize / SECTOR_BYTES / 8, SECTOR_BYTES) * SECTOR_BYTES;
  return {
    tableOffset: raw.tableOffset,
    tableEntries: raw.maxTableEntries,
    blockBytes: raw.blockSize,
    bitmapBytes,
    parentUniqueId: formatUuid(raw.parentUniqueId),
    parentName: decodeUtf16be(raw.parentUnicodeName),
    parentLocators: parseLocators(raw.parentLocators),
  };
}

function checkBlockSize(blockSize: number, at: number): void {
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (isPower && blockSize >= MIN_BLOCK_BYTES && blockSize <= MAX_BLOCK_BYTES) return;
  throw corrupt(
    'vhd.block-size',
    `Blocks of ${blockSize} bytes; powers of two from ${MIN_BLOCK_BYTES} to ${MAX_BLOCK_BYTES} can be read`,
    at + dynamicDiskHeader.offsetOf('blockSize'),
  );
}

function checkTable(
  storage: Storage,
  raw: ReturnType<typeof dynamicDiskHeader.decode>,
  { headerOffset, sizeBytes }: VhdFooter,
  limits: Limits,
): void {
  const { tableOffset, maxTableEntries, blockSize } = raw;
  const tableBytes = maxTableEntries * 4;
  if (maxTableEntries * blockSize < sizeBytes) {
    throw corrupt(
      'vhd.table-too-small',
      `A table of ${maxTableEntries} blocks is too small for a disk of ${sizeBytes} bytes`,
      headerOffset + dynamicDiskHeader.offsetOf('maxTableEntries'),
    );
  }
  if (maxTableEntries > MAX_TABLE_ENTRIES) {
    throw corrupt(
      'vhd.table-entries',
      `A table of ${maxTableEntries} blocks`,
      headerOffset + dynamicDiskHeader.offsetOf('maxTableEntries'),
    );
  }
  const fieldOffset = headerOffset + dynamicDiskHeader.offsetOf('tableOffset');
  const overlaps =
    tableOffset < headerOffset + dynamicDiskHeader.spanBytes &&
    tableOffset + tableBytes > headerOffset;
  if (tableOffset < SECTOR_BYTES || tableOffset % SECTOR_BYTES !== 0 || overlaps) {
    throw corrupt('vhd.table-offset', 'The block table lies where none can be', fieldOffset);
  }
  if (tableOffset + tableBytes > storage.sizeBytes) {
    throw corrupt(
      'vhd.table-cut',
      'The block table goes on beyond the end of the file',
      fieldOffset,
    );
  }
  if (tableBytes <= limits.maxStructureBytes) return;
  throw new DiskError('limit', 'vhd.table-size', `The block table takes ${tableBytes} bytes`, {
    offset: fieldOffset,
    hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
  });
}

function parseLocators(bytes: Uint8Array): ParentLocator[] {
  const locators: ParentLocator[] = [];
  for (let index = 0; index < LOCATORS; index++) {
    const raw = parentLocator.decode(bytes, index * parentLocator.spanBytes);
    if (raw.platformCode === 0 || raw.platformDataLength === 0) continue;
    if (raw.platformDataLength > MAX_LOCATOR_BYTES) continue;
    locators.push({
      platformCode: codeText(raw.platformCode),
      offset: raw.platformDataOffset,
      lengthBytes: raw.platformDataLength,
    });
  }
  return locators;
}

function codeText(code: number): string {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, code);
  return String.fromCharCode(...new Uint8Array(bytes.buffer));
}
