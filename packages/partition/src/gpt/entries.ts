/** The GPT partition entry array. UEFI specification 2.10, §5.3.3. */
import {
  blob,
  decodeUtf16le,
  DiskError,
  formatGuid,
  isAllZero,
  struct,
  testBit,
  u32le,
  u64le,
} from '@diskfile/bytes';
import type { PartitionList } from '../partition-list.ts';
import type { Partition } from '../partition-table.ts';
import type { GptHeader } from './header.ts';
import { GPT_TYPE_NAMES } from './type-names.ts';

const ENTRY = struct('GPT partition entry', {
  PartitionTypeGUID: blob(16),
  UniquePartitionGUID: blob(16),
  StartingLBA: u64le,
  EndingLBA: u64le,
  /** Bits 0 to 31 and 32 to 63 of Attributes. */
  AttributesLow: u32le,
  AttributesHigh: u32le,
  PartitionName: blob(72),
});

/** Attribute bits by number; 3 to 47 are reserved, the others belong to the partition's type. */
const NAMED_ATTRIBUTES = ['RequiredPartition', 'NoBlockIOProtocol', 'LegacyBIOSBootable'];
const LEGACY_BIOS_BOOTABLE = 2;
const FIRST_TYPE_BIT = 48;

/** Adds the used entries of an array to `list`; one that cannot be is left out with a warning. */
export function collectEntries(
  entryArray: Uint8Array,
  header: GptHeader,
  sectorBytes: number,
  list: PartitionList,
): void {
  for (let index = 0; index < header.entryCount; index++) {
    const at = index * header.entryBytes;
    if (isAllZero(entryArray.subarray(at, at + 16))) continue;
    const number = index + 1;
    try {
      list.add(parseEntry(entryArray, at, number, sectorBytes));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      list.warn('gpt.entry-invalid', `Partition ${number} is left out: ${error.message}`);
    }
  }
}

function parseEntry(
  entryArray: Uint8Array,
  at: number,
  number: number,
  sectorBytes: number,
): Partition {
  const entry = ENTRY.decode(entryArray, at);
  if (entry.EndingLBA < entry.StartingLBA) {
    throw new DiskError(
      'corrupt',
      'gpt.entry-range',
      `it ends at sector ${entry.EndingLBA}, before it begins at sector ${entry.StartingLBA}`,
    );
  }
  const typeId = formatGuid(entry.PartitionTypeGUID);
  return {
    number,
    startBytes: entry.StartingLBA * sectorBytes,
    lengthBytes: (entry.EndingLBA - entry.StartingLBA + 1) * sectorBytes,
    type: { id: typeId, name: GPT_TYPE_NAMES.get(typeId) ?? 'unknown' },
    name: decodeUtf16le(entry.PartitionName),
    uuid: formatGuid(entry.UniquePartitionGUID).toLowerCase(),
    bootable: testBit(entry.AttributesLow, LEGACY_BIOS_BOOTABLE),
    flags: attributeNames(entry.AttributesLow, entry.AttributesHigh),
    logical: false,
    extended: false,
  };
}

function attributeNames(low: number, high: number): string[] {
  const names = NAMED_ATTRIBUTES.filter((_, bit) => testBit(low, bit));
  for (let bit = FIRST_TYPE_BIT; bit < 64; bit++) {
    if (testBit(high, bit - 32)) names.push(`GUID:${bit}`);
  }
  return names;
}
