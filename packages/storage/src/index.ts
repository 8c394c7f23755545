/** Where bytes come from under Node: files, block devices, split sets, slices, and the open gate. */
export { FileStorage, openFileStorage, type OpenFileOptions } from './file-storage.ts';
export {
  type HostFileKind,
  type HostFiles,
  type HostFileStatus,
  nodeHostFiles,
  type OpenedFile,
} from './host-files.ts';
export { hostGate, type HostGateOptions } from './host-gate.ts';
export { hostPathOf } from './host-path.ts';
export { canFindHoles } from './host-ranges.ts';
export { SliceStorage, sliceStorage } from './slice-storage.ts';
export { isSplitSetStart, openSplitStorage, SplitStorage } from './split-storage.ts';
export { MemoryStorage } from '@diskfile/core';
