import { type ByteSource, DEFAULT_LIMITS, runSync } from '@diskfile/core';
import { type PartitionTable, readPartitionTable } from '../../src/index.ts';
import { SparseSource } from './sparse-source.ts';

/** Reads the table of a disk in memory, which refuses reads beyond its end as real disks do. */
export function readTable(
  disk: Uint8Array | ByteSource,
  sectorBytes?: number,
): PartitionTable | undefined {
  const source =
    disk instanceof Uint8Array ? new SparseSource(disk.length, [{ offset: 0, bytes: disk }]) : disk;
  return runSync(readPartitionTable(source, { sectorBytes, limits: DEFAULT_LIMITS }));
}

/** A table that has to be there. */
export function tableOf(disk: Uint8Array | ByteSource, sectorBytes?: number): PartitionTable {
  const table = readTable(disk, sectorBytes);
  if (table === undefined) throw new Error('no partition table was found');
  return table;
}

/** Number, first sector and length in sectors of each partition. */
export function placesOf(table: PartitionTable): [number, number, number][] {
  return table.partitions.map(({ number, startBytes, lengthBytes }) => [
    number,
    startBytes / table.sectorBytes,
    lengthBytes / table.sectorBytes,
  ]);
}

export function warningsOf(table: PartitionTable): string[] {
  return table.warnings.map(({ detail }) => detail);
}
