/** From a path to the storage of an image. */
import { join } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import type { Step, Storage } from '@diskfile/core';
import {
  type ImageLocking,
  isSplitSetStart,
  openFileStorage,
  openSplitStorage,
} from '@diskfile/storage';

export interface HostFileOptions {
  readonly writable: boolean;
  /** By default nobody is kept off the file. */
  readonly locking?: ImageLocking;
}

/** Files that describe a disk which is a directory: one of Parallels. */
const DESCRIPTORS: readonly string[] = ['DiskDescriptor.xml'];

/** The first file of a split set stands for all of it, and a directory for what describes it. */
export function* openHostFile(path: string, options: HostFileOptions): Step<Storage> {
  if (!(yield* isSplitSetStart(path))) return yield* openFileOrBundle(path, options);
  if (!options.writable) return yield* openSplitStorage(path, options);
  throw new DiskError(
    'unsupported',
    'open.split-read-only',
    `${path} begins a disk that is split over several files, and those can only be read`,
    { op: 'open', path, hint: 'Open it read-only, or join the parts into one file.' },
  );
}

function* openFileOrBundle(path: string, options: HostFileOptions): Step<Storage> {
  try {
    return yield* openFileStorage(path, { ...options, emptyDevices: true });
  } catch (error) {
    if (!(error instanceof DiskError) || error.detail !== 'storage.not-a-file') throw error;
    for (const name of DESCRIPTORS) {
      const storage = yield* openIfThere(join(path, name), options);
      if (storage !== undefined) return storage;
    }
    throw error;
  }
}

/** Nothing in a directory that was got from elsewhere may lead out of it. */
function* openIfThere(path: string, options: HostFileOptions): Step<Storage | undefined> {
  try {
    const kinds = ['regular file'] as const;
    return yield* openFileStorage(path, { ...options, kinds, followSymlink: false });
  } catch (error) {
    if (error instanceof DiskError && MISSING.has(error.code)) return undefined;
    throw error;
  }
}

const MISSING: ReadonlySet<string> = new Set(['not-found', 'invalid-argument']);
