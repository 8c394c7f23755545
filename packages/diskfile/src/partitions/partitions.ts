/** The partitions of a disk, each a disk of its own. */
import {
  asStorage,
  checkDisk,
  checkOptions,
  type DiskFile,
  runAsync,
  runSync,
  sliceDisk,
  DEFAULT_LIMITS,
  type DiskWarning,
  type Step,
} from '@diskfile/core';
import { type Partition, type PartitionTable, readPartitionTable } from '@diskfile/partition';

export interface PartitionOptions {
  /** Bytes of a logical sector; by default what the table itself fits. */
  readonly sectorBytes?: number;
}

/** A partition and a way into it. */
export interface DiskPartition extends Partition {
  /**
   * Opens the partition as a disk. It holds its own handle: close it on its own.
   */
  open(): DiskFile;
}

export interface DiskPartitionTable extends Omit<PartitionTable, 'partitions'> {
  readonly partitions: readonly DiskPartition[];
  readonly warnings: readonly DiskWarning[];
}

/**
 * Reads the partition table of a disk; undefined when there is none, as on a disk that is one
 * filesystem.
 * @throws DiskError `corrupt` when a table is there and cannot be used
 */
export async function readPartitions(
  disk: DiskFile,
  options: PartitionOptions = {},
): Promise<DiskPartitionTable | undefined> {
  return await runAsync(partitionsStep(disk, options));
}

/** The synchronous form of {@link readPartitions}. */
export function readPartitionsSync(
  disk: DiskFile,
  options: PartitionOptions = {},
): DiskPartitionTable | undefined {
  return runSync(partitionsStep(disk, options));
}

/** The step behind both forms. */
export function* partitionsStep(
  disk: DiskFile,
  options: PartitionOptions = {},
): Step<DiskPartitionTable | undefined> {
  checkDisk('partitions', disk);
  checkOptions('partitions', options, { sectorBytes: 'count' });
  const table = yield* readPartitionTable(asStorage(disk), { limits: DEFAULT_LIMITS, ...options });
  return withSlices(disk, table);
}

function withSlices(
  disk: DiskFile,
  table: PartitionTable | undefined,
): DiskPartitionTable | undefined {
  if (table === undefined) return undefined;
  const partitions = table.partitions.map((partition) => {
    const { startBytes, lengthBytes, number } = partition;
    const name = `${disk.name}#${number}`;
    return { ...partition, open: () => sliceDisk(disk, { startBytes, lengthBytes, name }) };
  });
  return { ...table, partitions };
}
