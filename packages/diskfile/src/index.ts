/** diskfile: open virtual disks and what is inside them. */
export { DiskError, type DiskErrorCode, type DiskErrorContext, encodeName } from '@diskfile/bytes';
export { type CodecCapabilities, codecCapabilities } from '@diskfile/codec';
export {
  type BackingReference,
  type BatchOperation,
  type BatchResult,
  type BitmapInfo,
  type BitmapOptions,
  type BlockStatus,
  type ByteSource,
  type CheckFinding,
  type CheckProgress,
  type CheckReport,
  closedGate,
  type CompressOptions,
  DEFAULT_LIMITS,
  type DirectoryEntry,
  type DirtyGuestRange,
  type DiskAmending,
  type DiskBacking,
  type DiskBitmaps,
  type DiskCapabilities,
  type DiskCompression,
  type DiskCopyUp,
  type DiskDescriptor,
  type DiskFile,
  type DiskResizing,
  type DiskVmState,
  type DiskSnapshots,
  type DiskWarning,
  type FileExtent,
  FileHandle,
  type FileStats,
  FileSystem,
  type FileSystemDriver,
  type FileType,
  type FormatDriver,
  type FormatOptions,
  type GateRequest,
  type GuestRange,
  type ImageInfo,
  type Limits,
  type Measurement,
  MemoryStorage,
  type Mount,
  type OpenGate,
  type PathOptions,
  type Preallocation,
  type ReadFileOptions,
  type ReadStreamOptions,
  type RepairMode,
  type ResizeOptions,
  runAsync,
  runSync,
  sliceDisk,
  type SliceOptions,
  type SnapshotInfo,
  type SnapshotOptions,
  type Step,
  type Storage,
  type Timestamp,
  type Topology,
  type TreeEntry,
  type Volume,
  type VolumeUsage,
  type WalkOptions,
  type WritableStorage,
  type WriteOperation,
  type ZeroOptions,
} from '@diskfile/core';
export type { Partition, PartitionTable } from '@diskfile/partition';
export { hostGate, type HostGateOptions, OverlayStorage } from '@diskfile/storage';
export { benchDisk, type BenchOptions } from './bench/bench-disk.ts';
export {
  checkDiskFile,
  type CheckDiskFileOptions,
  checkDiskFileSync,
  type DiskFileCheckReport,
} from './check/check-disk-file.ts';
export {
  amendDiskFile,
  type AmendDiskFileOptions,
  amendDiskFileSync,
} from './chain/amend-disk-file.ts';
export { changeKeySlots, type ChangeKeySlotsOptions } from './chain/change-key-slots.ts';
export type { ChainOptions, ChainProgress, ChainResult } from './chain/chain-options.ts';
export {
  commitDiskFile,
  type CommitDiskFileOptions,
  commitDiskFileSync,
  type CommitResult,
} from './chain/commit-disk-file.ts';
export {
  forkDiskFile,
  type ForkDiskFileOptions,
  forkDiskFileSync,
  type ForkResult,
} from './chain/fork-disk-file.ts';
export { flattenDiskFile, flattenDiskFileSync } from './chain/flatten-disk-file.ts';
export {
  rebaseDiskFile,
  type RebaseDiskFileOptions,
  rebaseDiskFileSync,
} from './chain/rebase-disk-file.ts';
export { createDiskFile, createDiskFileSync } from './create/create-disk-file.ts';
export type { CreateDiskFileOptions } from './create/create-options.ts';
export { digest, type DigestOptions, type DigestProgress } from './digest/digest.ts';
export {
  closeDevices,
  closeDevicesSync,
  type GuestDevice,
  openDevices,
  openDevicesSync,
} from './guest/devices.ts';
export {
  Guest,
  type MountChoice,
  openGuest,
  type OpenGuestOptions,
  openGuestSync,
  type SkippedMount,
} from './guest/guest.ts';
export type { Signature } from './guest/signature.ts';
export { entryLinkTarget, entryXattrs, openEntry } from './guest/tree-entry.ts';
export { ALL_FILE_SYSTEMS } from './file-systems.ts';
export { ALL_FORMATS } from './formats.ts';
export { openDiskFile, type OpenDiskFileOptions, openDiskFileSync } from './open/open-disk-file.ts';
export type { Passphrase, Passphrases, Secrets } from './open/passphrases.ts';
export {
  openFileSystem,
  type OpenFileSystemOptions,
  openFileSystemSync,
} from './open-file-system.ts';
export {
  type DiskPartition,
  type DiskPartitionTable,
  type PartitionOptions,
  readPartitions,
  readPartitionsSync,
} from './partitions/partitions.ts';
export {
  compareDisks,
  type CompareDisksOptions,
  compareDisksSync,
  type Comparison,
} from './convert/compare-disks.ts';
export {
  type DiskDifference,
  diskDifferences,
  type DiskDifferencesOptions,
  diskDifferencesSync,
} from './diff/disk-differences.ts';
export {
  type FileAspect,
  type FileDifference,
  type FileDifferencesOptions,
  fileDifferencesSync,
} from './diff/file-differences.ts';
export { type UncomparedMount, uncomparedMountsSync } from './diff/uncompared-mounts.ts';
export { BlockOptions, type OptionValue } from './graph/options/block-options.ts';
export { parseByteSize } from './graph/options/byte-size.ts';
export { newFilePath, parseDiskName, parseNameWithOptions } from './graph/disk-name.ts';
export type { ImageFile } from './graph/nodes/format-node.ts';
export { type KeyvalWarnings, parseKeyval } from './graph/options/keyval.ts';
export type { Breakpoints, FaultListener } from './graph/blkdebug/fault-script.ts';
export {
  breakpointsOf,
  openGraph,
  openGraphFile,
  type OpenGraphOptions,
  openGraphSync,
} from './graph/open-graph.ts';
export { checkRuntimeOptions } from './graph/options/runtime-options.ts';
export { UserObjects } from './graph/user-objects.ts';
export { convertDiskFile, convertDiskFileSync } from './convert/convert-disk-file.ts';
export {
  measureDiskFile,
  type MeasureDiskFileOptions,
  measureDiskFileSync,
} from './convert/measure-disk-file.ts';
export type {
  ConvertDiskFileOptions,
  ConvertResult,
  ConvertSource,
  KeptBacking,
} from './convert/convert-options.ts';
export type { UnreadableRange } from './convert/salvage.ts';
