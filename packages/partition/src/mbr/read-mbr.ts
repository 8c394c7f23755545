/** Reading an MBR: four primary partitions and the chains of logical ones. */
import type { ByteSource, Step } from '@diskfile/core';
import { PartitionList } from '../partition-list.ts';
import type { Partition, PartitionTable } from '../partition-table.ts';
import type { BootRecord, BootRecordEntry } from './boot-record.ts';
import { LogicalChains } from './logical-chains.ts';
import { MBR_TYPE_NAMES } from './type-names.ts';

/** The MBR of a disk, whose boot record has been found to be a table. */
export function* readMbr(
  source: ByteSource,
  record: BootRecord,
  sectorBytes: number,
): Step<PartitionTable> {
  const list = new PartitionList(source.sizeBytes);
  const diskId = record.diskSignature === 0 ? '' : hex(record.diskSignature, 8);
  for (const [index, entry] of record.entries.entries()) {
    if (entry.sizeLba === 0) continue;
    list.add(toPartition(entry, { number: index + 1, logical: false, diskId, sectorBytes }));
  }
  const chains = new LogicalChains(source, sectorBytes, list);
  for (const entry of record.entries) {
    if (!entry.extended || entry.sizeLba === 0) continue;
    yield* chains.follow(entry.startLba, entry.sizeLba);
  }
  for (const [index, entry] of chains.found.entries()) {
    list.add(toPartition(entry, { number: index + 5, logical: true, diskId, sectorBytes }));
  }
  return {
    scheme: 'mbr',
    sectorBytes,
    diskId,
    partitions: list.partitions,
    warnings: list.finishWarnings(),
    details: { diskSignature: record.diskSignature },
  };
}

interface Placing {
  readonly number: number;
  readonly logical: boolean;
  readonly diskId: string;
  readonly sectorBytes: number;
}

function toPartition(entry: BootRecordEntry, placing: Placing): Partition {
  const { number, logical, diskId, sectorBytes } = placing;
  return {
    number,
    startBytes: entry.startLba * sectorBytes,
    lengthBytes: entry.sizeLba * sectorBytes,
    type: {
      id: `0x${hex(entry.osType, 2)}`,
      name: MBR_TYPE_NAMES.get(entry.osType) ?? 'unknown',
    },
    name: '',
    uuid: diskId === '' ? '' : `${diskId}-${hex(number, 2)}`,
    bootable: entry.bootIndicator === 0x80,
    flags: [],
    logical,
    extended: entry.extended,
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
