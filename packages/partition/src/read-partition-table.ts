/** Finds out which partition table a disk has, if any, and reads it. */
import { DiskError, isPowerOfTwo } from '@diskfile/bytes';
import { type ByteSource, type Limits, readBytes, type Step } from '@diskfile/core';
import { BOOT_AREA_BYTES, holdsFileSystem } from './file-system-signs.ts';
import { readGpt } from './gpt/read-gpt.ts';
import { BOOT_RECORD_BYTES, GPT_PROTECTIVE_TYPE, parseBootRecord } from './mbr/boot-record.ts';
import { hasValidBootIndicators, isFlawless } from './mbr/plausible.ts';
import { readMbr } from './mbr/read-mbr.ts';
import type { PartitionTable } from './partition-table.ts';

export interface ReadPartitionTableOptions {
  /**
   * Bytes of a logical sector, a power of two from 512. By default a GPT is looked for at 512,
   * 4096, 1024 and 2048; an MBR does not tell its unit and is taken to count in 512.
   */
  readonly sectorBytes?: number | undefined;
  readonly limits: Limits;
}

const MIN_SECTOR_BYTES = 512;
const MAX_SECTOR_BYTES = 64 * 1024;

/**
 * Reads the partition table of a disk. Undefined when there is none, as on a disk that is one
 * filesystem.
 *
 * Linux decides in the same way: an MBR with an entry of type 0xEE stands for a GPT, whatever else
 * is in it (a hybrid MBR); an MBR has the signature 55 AA and a boot indicator of 0x00 or 0x80 in
 * each entry. The signature is also that of a FAT, NTFS or exFAT boot sector and may be left over
 * in front of ext4, so where such a filesystem shows, only a table without any fault counts.
 *
 * @throws DiskError `corrupt` when the MBR announces a GPT and neither copy of it is usable,
 *   `invalid-argument` for an impossible sector size
 */
export function* readPartitionTable(
  source: ByteSource,
  options: ReadPartitionTableOptions,
): Step<PartitionTable | undefined> {
  checkSectorBytes(source, options.sectorBytes);
  if (source.sizeBytes < BOOT_RECORD_BYTES) return undefined;
  try {
    return yield* readAnyTable(source, options);
  } catch (error) {
    if (error instanceof DiskError) {
      error.addContext({ op: 'read-partition-table', path: source.name, layer: 'partition' });
    }
    throw error;
  }
}

function* readAnyTable(
  source: ByteSource,
  options: ReadPartitionTableOptions,
): Step<PartitionTable | undefined> {
  const { sizeBytes } = source;
  const bootArea = yield* readBytes(source, 0, Math.min(sizeBytes, BOOT_AREA_BYTES));
  const record = parseBootRecord(bootArea);
  if (record === undefined) return undefined;
  if (record.entries.some(({ osType }) => osType === GPT_PROTECTIVE_TYPE)) {
    return yield* readGpt(source, record, options);
  }
  const sectorBytes = options.sectorBytes ?? MIN_SECTOR_BYTES;
  if (!hasValidBootIndicators(record)) return undefined;
  if (holdsFileSystem(bootArea) && !isFlawless(record, sectorBytes, sizeBytes)) return undefined;
  return yield* readMbr(source, record, sectorBytes);
}

function checkSectorBytes(source: ByteSource, sectorBytes: number | undefined): void {
  if (sectorBytes === undefined) return;
  if (
    isPowerOfTwo(sectorBytes) &&
    sectorBytes >= MIN_SECTOR_BYTES &&
    sectorBytes <= MAX_SECTOR_BYTES
  ) {
    return;
  }
  throw new DiskError(
    'invalid-argument',
    'partition.sector-size',
    `A sector of ${sectorBytes} bytes is impossible`,
    { op: 'read-partition-table', path: source.name, hint: 'Give a power of two from 512 on.' },
  );
}
