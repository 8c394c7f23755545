/** What tests of several packages share. The fuzzer is a program of its own, `fuzz/main.ts`. */
export {
  type BootRecordEntrySpec,
  buildBootRecord,
  buildGptDisk,
  type GptPartitionSpec,
  type GptSpec,
  type LogicalSpec,
  repairGptChecksums,
  writeLogicalChain,
} from './builders/partition-tables.ts';
export { listTree, type ManifestEntry, nanoseconds, readManifest } from './guest-manifest.ts';
export { SeededRandom, writeMixedPayload } from './oracles/payload.ts';
export { asQemuMap, QemuDirectory, type QemuMapEntry } from './oracles/qemu.ts';
export { haveTools } from './oracles/tools.ts';
export { type Case, pairwise } from './pairwise.ts';
