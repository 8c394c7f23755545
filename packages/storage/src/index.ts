/** Where bytes come from under Node: files, block devices, split sets, slices, and the open gate. */
export { FileStorage } from './file-storage.ts';
export {
  type HostCreateOptions,
  type HostFileKind,
  type HostFiles,
  type HostFileStatus,
  type HostOpenOptions,
  nodeHostFiles,
  type OpenedFile,
} from './host-files.ts';
export { type HostAccess, hostGate, type HostGateOptions } from './host-gate.ts';
export { hostPathOf } from './host-path.ts';
export { canFindHoles } from './host-ranges.ts';
export { addFileName, removeFileName } from './file-names.ts';
export { canLockImages, type ImageLocking } from './image-lock.ts';
export { NewFile, type NewFileOptions } from './new-file.ts';
export {
  createFileStorage,
  type CreateFileOptions,
  openFileStorage,
  type OpenFileOptions,
} from './open-file.ts';
export { OverlayStorage } from './overlay-storage.ts';
export { fileAccess, type FileAccess } from './replaced-file.ts';
export { writeShared } from './shared-file.ts';
export { SliceStorage, sliceStorage, WritableSliceStorage } from './slice-storage.ts';
export { StorageWrapper } from './storage-wrapper.ts';
export { isSplitSetStart, openSplitStorage, SplitStorage } from './split-storage.ts';
export { WritableFileStorage } from './writable-file-storage.ts';
export { MemoryStorage } from '@diskfile/core';
export { endProcess } from './end-process.ts';
export { disableNativeCalls } from './native-calls.ts';
