/**
 * Reading a GPT: the primary header behind the protective MBR, or else the backup at the end of the
 * disk. UEFI specification 2.10, §5.3.
 */
import type { ByteSource, Limits, Step } from '@diskfile/core';
import { type BootRecord, GPT_PROTECTIVE_TYPE } from '../mbr/boot-record.ts';
import { MBR_TYPE_NAMES } from '../mbr/type-names.ts';
import { PartitionList } from '../partition-list.ts';
import type { PartitionTable } from '../partition-table.ts';
import { collectEntries } from './entries.ts';
import { type GptCopy, GptSearch } from './gpt-search.ts';
import { PRIMARY_HEADER_LBA } from './header.ts';

/** Sector sizes that disks have, the usual ones first. */
const SECTOR_SIZES = [512, 4096, 1024, 2048];

export interface ReadGptOptions {
  readonly sectorBytes?: number | undefined;
  readonly limits: Limits;
}

/** @throws DiskError `corrupt` when neither the primary nor the backup copy can be used */
export function* readGpt(
  source: ByteSource,
  record: BootRecord,
  options: ReadGptOptions,
): Step<PartitionTable> {
  const { sectorBytes } = options;
  const search = new GptSearch(source, options.limits);
  const sizes = sectorBytes === undefined ? SECTOR_SIZES : [sectorBytes];
  const primary = yield* search.findPrimary(sizes);
  const copy = primary ?? (yield* search.findBackup(sizes));
  if (copy === undefined) throw search.bothDamaged();
  const list = new PartitionList(source.sizeBytes);
  if (primary === undefined) {
    const message = `The primary GPT is damaged (${search.primaryFault}); the backup is used`;
    list.warn('gpt.backup-used', message);
  }
  return toTable(copy, record, list, source);
}

function toTable(
  { header, entryArray, sectorBytes }: GptCopy,
  record: BootRecord,
  list: PartitionList,
  source: ByteSource,
): PartitionTable {
  const isPrimary = header.myLba === PRIMARY_HEADER_LBA;
  if (isPrimary && (header.alternateLba + 1) * sectorBytes > source.sizeBytes) {
    const message = `The backup GPT at sector ${header.alternateLba} lies beyond the disk`;
    list.warn('gpt.backup-beyond-disk', `${message}, which may have been cut short`);
  }
  const hybrid = hybridEntries(record);
  if (hybrid.length > 0) {
    const message = `The MBR is a hybrid: ${hybrid.length} of its entries are not the GPT's own`;
    list.warn('gpt.hybrid-mbr', `${message} and are not used, as in Linux`);
  }
  collectEntries(entryArray, header, sectorBytes, list);
  const { revision, firstUsableLba, lastUsableLba, entryCount, entryBytes } = header;
  return {
    scheme: 'gpt',
    sectorBytes,
    diskId: header.diskGuid.toLowerCase(),
    partitions: list.partitions,
    warnings: list.finishWarnings(),
    details: {
      copy: isPrimary ? 'primary' : 'backup',
      revision,
      firstUsableLba,
      lastUsableLba,
      numberOfPartitionEntries: entryCount,
      sizeOfPartitionEntry: entryBytes,
      hybridMbr: hybrid,
    },
  };
}

/** What an MBR lists beside the entry that protects the GPT; sectors are of 512 bytes or the GPT's. */
function hybridEntries(record: BootRecord): Record<string, unknown>[] {
  return record.entries
    .map((entry, index) => ({ ...entry, number: index + 1 }))
    .filter(({ osType, sizeLba }) => osType !== GPT_PROTECTIVE_TYPE && sizeLba > 0)
    .map(({ number, osType, startLba, sizeLba, bootIndicator }) => ({
      number,
      type: `0x${osType.toString(16).padStart(2, '0')}`,
      typeName: MBR_TYPE_NAMES.get(osType) ?? 'unknown',
      startLba,
      sizeLba,
      bootable: bootIndicator === 0x80,
    }));
}
