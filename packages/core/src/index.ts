/** The engine: disks, storages, format drivers, extents, filesystems, and how untrusted images open. */
export { AppendSpace } from './blocks/append-space.ts';
export {
  BLOCK,
  type BlockTable,
  lookupBlocks,
  type WritableBlockTable,
} from './blocks/block-table.ts';
export { BlockWriter, type BlockWriterOptions } from './blocks/block-writer.ts';
export { ClusterSet } from './blocks/cluster-set.ts';
export { FlatResizer, type FlatResizerOptions, type FlatSize } from './blocks/flat-resizer.ts';
export { CompressedClusters } from './blocks/compressed-clusters.ts';
export { FlatWriter } from './blocks/flat-writer.ts';
export { DirtyRange } from './blocks/dirty-range.ts';
export { PieceCache } from './blocks/piece-cache.ts';
export { type TablePage, TablePages, type TablePlace } from './blocks/table-pages.ts';
export {
  type Decoder,
  type DecoderSet,
  noDecoders,
  type StreamCheckpoint,
  type StreamCodec,
  type StreamDecoder,
} from './decoder.ts';
export {
  joinEntry,
  type TableEntries,
  TwoLevelTable,
  type TwoLevelLayout,
} from './blocks/two-level-table.ts';
export { type AppendOptions, WritableTwoLevelTable } from './blocks/writable-two-level-table.ts';
export type { Encoder, EncoderSet } from './encoder.ts';
export type {
  BatchOperation,
  BatchResult,
  DiskDescriptor,
  DiskFile,
  GuestRange,
  ImageInfo,
  WriteOperation,
  ZeroOptions,
} from './disk-file.ts';
export type {
  BitmapOptions,
  CompressOptions,
  DiskAmending,
  DiskBacking,
  DiskBitmaps,
  DiskCapabilities,
  DiskCompression,
  DiskCopyUp,
  DiskResizing,
  DiskVmState,
  DiskSnapshots,
  FormatOptions,
  ResizeOptions,
  SnapshotOptions,
} from './disk-capabilities.ts';
export {
  type ArgumentKind,
  checkArgument,
  checkDisk,
  checkFields,
  checkOptions,
  describeValue,
  type OptionKinds,
} from './arguments.ts';
export type { BlockStatus } from './engine/block-status.ts';
export { noCapabilities } from './engine/capabilities/disk-capabilities.ts';
export { type EncodedUnit, Extent, type ExtentKind } from './engine/extent.ts';
export { createImageDisk, type ImageDiskOptions } from './engine/image-disk.ts';
export { type GuestRead, MappedReader } from './engine/mapped-reader.ts';
export { checkOperations, rangeOf } from './engine/disk-batch.ts';
export { checkAccess, checkRange } from './engine/range.ts';
export { reserveZeros } from './engine/reserve-zeros.ts';
export { type FilePiece, joinedStorage } from './engine/joined-storage.ts';
export { mappedStorage, type MappedStorageOptions } from './engine/mapped-storage.ts';
export { sliceDisk, type SliceOptions } from './engine/slice-disk.ts';
export type {
  CheckContext,
  CheckFinding,
  CheckProgress,
  CheckReport,
  GenuineLine,
  GenuineWords,
  RepairMode,
} from './format/check-report.ts';
export { refuseSnapshot } from './format/refuse-snapshot.ts';
export { parseByteCount } from './format/byte-count.ts';
export { FindingList } from './format/finding-list.ts';
export type { MeasureContext, MeasuredDisk, Measurement } from './format/measure.ts';
export type { DiskWarning } from './format/disk-warning.ts';
export {
  type Ability,
  type CreateContext,
  findDriver,
  type FormatAbilities,
  type FormatDriver,
  type FormatTuning,
  type KeySlotChange,
  type KeySlotContext,
  type InnerOptions,
  type OpenContext,
  PROBE_HEAD_BYTES,
  PROBE_TAIL_BYTES,
  type ProbeInput,
  type ProbeVerdict,
} from './format/format-driver.ts';
export { ContainedImage } from './format/contained-image.ts';
export type {
  DiskInFile,
  ExtentMap,
  FormatDetails,
  FormatImage,
  VmStateArea,
  Topology,
} from './format/format-image.ts';
export type { BitmapInfo, SnapshotInfo } from './format/snapshot-info.ts';
export type { Allocation, EarlierPart, ImageWriter } from './format/image-writer.ts';
export type {
  AmendContext,
  BackingWriter,
  BitmapReader,
  BitmapWriter,
  CompressedWriter,
  DirtyGuestRange,
  EncodedAllocation,
  ImageAmender,
  ImageResizer,
  NewBitmap,
  Preallocation,
  ResizeRequest,
  SnapshotRequest,
  SnapshotWriter,
  UnitFraming,
} from './format/writer-capabilities.ts';
export { type FileExtent, FileHandle } from './filesystem/file-handle.ts';
export type { ReadStreamOptions } from './filesystem/file-stream.ts';
export { FileSystem, type FileSystemOptions, type PathOptions } from './filesystem/file-system.ts';
export type { ReadFileOptions } from './filesystem/whole-file.ts';
export type { Mount } from './filesystem/mount-table.ts';
export type { TreeEntry, WalkOptions } from './filesystem/tree-walk.ts';
export type {
  DirectoryCursor,
  DirectoryEntry,
  FileStats,
  FileSystemDriver,
  FileType,
  Timestamp,
  Volume,
  VolumeContext,
  VolumeUsage,
} from './filesystem/volume.ts';
export type { Hash, HashAlgorithm, MakeHash } from './hash.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { MarkupElement, parseMarkup } from './markup/element.ts';
export { markupText, type Tag, TagReader } from './markup/tag-reader.ts';
export { MemoryStorage } from './memory-storage.ts';
export { fileReference, foreignFileName, foreignRelativePath } from './open/foreign-path.ts';
export { closedGate, type GateRequest, type OpenGate } from './open/gate.ts';
export {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseLooseJson,
} from './open/loose-json.ts';
export type { ImageBelow, OpenChainOptions } from './open/chain-options.ts';
export { type ImageChain, openChain } from './open/open-chain.ts';
export { probeStorage } from './open/probe.ts';
export {
  type BackingReference,
  type FileRole,
  type NamedFile,
  parseImageName,
  type ParsedName,
  quote,
} from './open/reference.ts';
export { asStorage, type SourceOptions } from './source-storage.ts';
export {
  hostCall,
  type HostCall,
  ParallelCalls,
  runAsync,
  runSync,
  type Step,
  stepCall,
} from './step.ts';
export { STORAGE_EVENTS, type StorageEvent } from './storage-events.ts';
export {
  abandonStorages,
  allocateSpace,
  announce,
  announceFlush,
  type ByteSource,
  closeStorage,
  dataIn,
  dataOf,
  during,
  flushStorage,
  type HostRange,
  type SharedFile,
  isWritable,
  punchHole,
  readBytes,
  readInto,
  type Storage,
  type StorageEvents,
  truncateStorage,
  type WritableStorage,
  writableStorage,
  writeBytes,
} from './storage.ts';
export { discardRange, zeroRange } from './storage-ranges.ts';
export { setAside, type SpaceToSetAside } from './set-aside.ts';
export { inContext } from './step-context.ts';
export { growStorage, writeZeros } from './zero-fill.ts';
