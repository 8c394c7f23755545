/** From a path to the storage of an image. */
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

/** The first file of a split set stands for all of it. */
export function* openHostFile(path: string, options: HostFileOptions): Step<Storage> {
  if (!(yield* isSplitSetStart(path))) return yield* openFileStorage(path, options);
  if (!options.writable) return yield* openSplitStorage(path, options);
  throw new DiskError(
    'unsupported',
    'open.split-read-only',
    `${path} begins a disk that is split over several files, and those can only be read`,
    { op: 'open', path, hint: 'Open it read-only, or join the parts into one file.' },
  );
}
