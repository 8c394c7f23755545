/** Partition tables: MBR and GPT, read into one list of partitions that all lie within the disk. */
export { GPT_TYPE_NAMES } from './gpt/type-names.ts';
export { MBR_TYPE_NAMES } from './mbr/type-names.ts';
export {
  type Partition,
  type PartitionScheme,
  type PartitionTable,
  type PartitionType,
} from './partition-table.ts';
export { readPartitionTable, type ReadPartitionTableOptions } from './read-partition-table.ts';
