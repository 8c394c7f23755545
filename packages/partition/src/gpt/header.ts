/** The GPT header. UEFI specification 2.10, §5.3.2. */
import { blob, crc32, DiskError, formatGuid, struct, u32le, u64le } from '@diskfile/bytes';

/** Value of MyLBA in the primary header, and where it is. */
export const PRIMARY_HEADER_LBA = 1;

const SIGNATURE = 'EFI PART';
const MIN_HEADER_BYTES = 92;
const MIN_ENTRY_BYTES = 128;
const ENTRY_BYTES_UNIT = 8;
/** A disk with more than this is a mistake; sgdisk goes no further than 1024. */
const MAX_ENTRIES = 16_384;

const HEADER = struct('GPT header', {
  Signature: blob(8),
  Revision: u32le,
  HeaderSize: u32le,
  HeaderCRC32: u32le,
  Reserved: u32le,
  MyLBA: u64le,
  AlternateLBA: u64le,
  FirstUsableLBA: u64le,
  LastUsableLBA: u64le,
  DiskGUID: blob(16),
  PartitionEntryLBA: u64le,
  NumberOfPartitionEntries: u32le,
  SizeOfPartitionEntry: u32le,
  PartitionEntryArrayCRC32: u32le,
});

/** A header whose checksum is right and whose fields make sense together. */
export interface GptHeader {
  readonly revision: number;
  readonly myLba: number;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  /** Upper case. */
  readonly diskGuid: string;
  readonly partitionEntryLba: number;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entryArrayCrc32: number;
}

/** Whether a sector begins with the signature of a GPT header. */
export function hasGptSignature(sector: Uint8Array): boolean {
  return [...SIGNATURE].every((character, index) => sector[index] === character.charCodeAt(0));
}

/**
 * Parses the header in a sector that was read from `lba`.
 * @throws DiskError `corrupt`, `unsupported` or `limit` when it cannot be used
 */
export function parseGptHeader(sector: Uint8Array, lba: number): GptHeader {
  if (!hasGptSignature(sector)) {
    throw damaged('gpt.header-signature', 'the signature "EFI PART" is missing');
  }
  const header = HEADER.decode(sector);
  if (header.HeaderSize < MIN_HEADER_BYTES || header.HeaderSize > sector.length) {
    throw damaged('gpt.header-size', `HeaderSize is ${header.HeaderSize}`);
  }
  if (headerCrc32(sector, header.HeaderSize) !== header.HeaderCRC32) {
    throw damaged('gpt.header-crc', 'the header does not match its checksum');
  }
  if (header.MyLBA !== lba) {
    throw damaged('gpt.header-lba', `MyLBA is ${header.MyLBA}, but it lies in sector ${lba}`);
  }
  if (header.FirstUsableLBA > header.LastUsableLBA) {
    throw damaged('gpt.usable-range', 'FirstUsableLBA lies behind LastUsableLBA');
  }
  checkEntryArray(header.NumberOfPartitionEntries, header.SizeOfPartitionEntry);
  return {
    revision: header.Revision,
    myLba: header.MyLBA,
    alternateLba: header.AlternateLBA,
    firstUsableLba: header.FirstUsableLBA,
    lastUsableLba: header.LastUsableLBA,
    diskGuid: formatGuid(header.DiskGUID),
    partitionEntryLba: header.PartitionEntryLBA,
    entryCount: header.NumberOfPartitionEntries,
    entryBytes: header.SizeOfPartitionEntry,
    entryArrayCrc32: header.PartitionEntryArrayCRC32,
  };
}

/** The checksum covers the header with its own field taken as zero. */
function headerCrc32(sector: Uint8Array, headerBytes: number): number {
  const bytes = sector.slice(0, headerBytes);
  const at = HEADER.offsetOf('HeaderCRC32');
  bytes.fill(0, at, at + 4);
  return crc32(bytes);
}

/** The specification wants 128 × 2^n bytes an entry; other multiples of eight do no harm. */
function checkEntryArray(entryCount: number, entryBytes: number): void {
  if (entryBytes < MIN_ENTRY_BYTES || entryBytes % ENTRY_BYTES_UNIT !== 0) {
    throw damaged('gpt.entry-size', `SizeOfPartitionEntry is ${entryBytes}`);
  }
  if (entryCount > MAX_ENTRIES) {
    throw new DiskError(
      'limit',
      'gpt.entry-count',
      `NumberOfPartitionEntries is ${entryCount}, more than ${MAX_ENTRIES}`,
    );
  }
}

function damaged(detail: string, message: string): DiskError {
  return new DiskError('corrupt', detail, message);
}
