/** Reads a partition table and checks what every table promises. */
import { type ByteSource, DEFAULT_LIMITS, runSync } from '@diskfile/core';
import { type PartitionTable, readPartitionTable } from '@diskfile/partition';
import { ContractViolation } from '../fuzz-target.ts';

export function exercisePartitions(
  source: ByteSource,
  sectorBytes?: number,
): PartitionTable | undefined {
  const table = runSync(readPartitionTable(source, { sectorBytes, limits: DEFAULT_LIMITS }));
  if (table !== undefined) checkTable(table, source.sizeBytes);
  return table;
}

function checkTable(table: PartitionTable, sizeBytes: number): void {
  JSON.stringify([table.details, table.warnings]);
  const numbers = new Set<number>();
  for (const { number, startBytes, lengthBytes } of table.partitions) {
    const within = startBytes >= 0 && lengthBytes > 0 && startBytes + lengthBytes <= sizeBytes;
    if (!within) throw new ContractViolation(`partition ${number} does not lie within the disk`);
    if (numbers.has(number)) throw new ContractViolation(`two partitions have number ${number}`);
    numbers.add(number);
  }
}
