/**
 * The boot record: the first sector of a disk (MBR), and the first sector of each link in the
 * chain of an extended partition (EBR). UEFI specification 2.10, §5.2.1.
 */
import { blob, readU16le, readU32le, struct, u8, u32le } from '@diskfile/bytes';

export const BOOT_RECORD_BYTES = 512;
/** Type of the entry that protects a GPT from tools that know only MBR. */
export const GPT_PROTECTIVE_TYPE = 0xee;

const UNIQUE_MBR_DISK_SIGNATURE_AT = 440;
const PARTITION_RECORD_AT = 446;
const SIGNATURE_AT = 510;
const SIGNATURE = 0xaa55;
const RECORD_COUNT = 4;

/** Extended by DOS, by Windows 95 (LBA), by Linux. */
const EXTENDED_TYPES = new Set([0x05, 0x0f, 0x85]);

const PARTITION_RECORD = struct('MBR partition record', {
  BootIndicator: u8,
  StartingCHS: blob(3),
  OSType: u8,
  EndingCHS: blob(3),
  StartingLBA: u32le,
  SizeInLBA: u32le,
});

/** One of the four entries. The unit of start and size is the logical sector. */
export interface BootRecordEntry {
  readonly bootIndicator: number;
  readonly osType: number;
  /** Counts from the start of the disk in the MBR, from elsewhere in an EBR. */
  readonly startLba: number;
  /** Zero for an entry that is not in use, whatever its type. */
  readonly sizeLba: number;
  readonly extended: boolean;
}

export interface BootRecord {
  /** Zero when the disk has none. */
  readonly diskSignature: number;
  readonly entries: readonly BootRecordEntry[];
}

/** Parses a boot record; undefined when the signature 55 AA is missing. */
export function parseBootRecord(bytes: Uint8Array): BootRecord | undefined {
  if (readU16le(bytes, SIGNATURE_AT) !== SIGNATURE) return undefined;
  const entries = Array.from({ length: RECORD_COUNT }, (_, index) => {
    const at = PARTITION_RECORD_AT + index * PARTITION_RECORD.spanBytes;
    const record = PARTITION_RECORD.decode(bytes, at);
    return {
      bootIndicator: record.BootIndicator,
      osType: record.OSType,
      startLba: record.StartingLBA,
      sizeLba: record.SizeInLBA,
      extended: EXTENDED_TYPES.has(record.OSType),
    };
  });
  return { diskSignature: readU32le(bytes, UNIQUE_MBR_DISK_SIGNATURE_AT), entries };
}
