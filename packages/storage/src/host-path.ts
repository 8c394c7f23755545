/** Where on the host a storage comes from. */
import type { Storage } from '@diskfile/core';
import { FileStorage } from './file-storage.ts';
import { SliceStorage } from './slice-storage.ts';
import { StorageWrapper } from './storage-wrapper.ts';
import { SplitStorage } from './split-storage.ts';

/** Absolute path of the (first) file behind a storage; undefined when there is none. */
export function hostPathOf(storage: Storage): string | undefined {
  if (storage instanceof FileStorage) return storage.hostPath;
  if (storage instanceof SliceStorage) return hostPathOf(storage.storage);
  if (storage instanceof StorageWrapper) return storage.hostPath ?? hostPathOf(storage.inner);
  if (storage instanceof SplitStorage) return hostPathOf(storage.parts[0]!);
  return undefined;
}
