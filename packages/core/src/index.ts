/** The engine: disks, storages, format drivers, extents, filesystems, and how untrusted images open. */
export { type Decoder, type DecoderSet } from './decoder.ts';
export {
  type BatchOperation,
  type BatchResult,
  type DiskCapabilities,
  type DiskDescriptor,
  type DiskFile,
  type ImageInfo,
} from './disk-file.ts';
export { type BlockStatus } from './engine/block-status.ts';
export { type EncodedUnit, Extent, type ExtentKind } from './engine/extent.ts';
export { createImageDisk, type ImageDiskOptions } from './engine/image-disk.ts';
export { type GuestRead, MappedReader } from './engine/mapped-reader.ts';
export { sliceDisk, type SliceOptions } from './engine/slice-disk.ts';
export {
  type DiskWarning,
  findDriver,
  type FormatDriver,
  type OpenContext,
  PROBE_HEAD_BYTES,
  PROBE_TAIL_BYTES,
  type ProbeInput,
  type ProbeVerdict,
} from './format/format-driver.ts';
export {
  type BitmapInfo,
  type ExtentMap,
  type FormatDetails,
  type FormatImage,
  type SnapshotInfo,
  type Topology,
} from './format/format-image.ts';
export { type FileExtent, FileHandle } from './filesystem/file-handle.ts';
export {
  FileSystem,
  type FileSystemOptions,
  type PathOptions,
  type ReadFileOptions,
  type ReadStreamOptions,
} from './filesystem/file-system.ts';
export { type Mount } from './filesystem/mount-table.ts';
export { type TreeEntry, type WalkOptions } from './filesystem/tree-walk.ts';
export {
  type DirectoryCursor,
  type DirectoryEntry,
  type FileStats,
  type FileSystemDriver,
  type FileType,
  type Timestamp,
  type Volume,
  type VolumeContext,
  type VolumeUsage,
} from './filesystem/volume.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { MemoryStorage } from './memory-storage.ts';
export { closedGate, type GateRequest, type OpenGate } from './open/gate.ts';
export {
  type ImageChain,
  openChain,
  type OpenChainOptions,
  probeStorage,
} from './open/open-chain.ts';
export {
  type BackingReference,
  type FileRole,
  type NamedFile,
  parseImageName,
  type ParsedName,
  quote,
} from './open/reference.ts';
export { asStorage } from './source-storage.ts';
export {
  hostCall,
  type HostCall,
  ParallelCalls,
  runAsync,
  runSync,
  type Step,
  stepCall,
} from './step.ts';
export {
  type ByteSource,
  closeStorage,
  type HostRange,
  readBytes,
  readInto,
  type Storage,
} from './storage.ts';
