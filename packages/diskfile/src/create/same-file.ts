/** Names of files that are there. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { nodeHostFiles } from '@diskfile/storage';

/**
 * Whether a path leads to where another one leads, through symbolic links perhaps. A hard link is
 * another file here: it keeps its content when the other name is given to a new file.
 *
 * @param path it leads nowhere if that cannot be found out
 * @param other a file that is there
 */
export function* isSameFile(path: string, other: string): Step<boolean> {
  const realPath = yield* nodeHostFiles.realpath(other);
  try {
    return (yield* nodeHostFiles.realpath(path)) === realPath;
  } catch (error) {
    if (error instanceof DiskError) return false;
    throw error;
  }
}

/** Whether a path leads to a host object, by any of its names; not if that cannot be found out. */
export function* leadsTo(path: string, identity: string | undefined): Step<boolean> {
  try {
    return (yield* nodeHostFiles.status(path)).identity === identity;
  } catch (error) {
    if (error instanceof DiskError) return false;
    throw error;
  }
}
