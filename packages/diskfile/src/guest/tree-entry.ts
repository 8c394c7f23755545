/**
 * What a walk has found, opened by its inode: faster than resolving its path again, and exact where
 * a damaged directory holds one name twice.
 */
import { DiskError } from '@diskfile/bytes';
import { checkFields, FileHandle, type Limits, type Step, type TreeEntry } from '@diskfile/core';
import { checkedLimits } from '../open/limits.ts';

/** Opens a regular file. @throws DiskError `invalid-argument` for anything else */
export function* openEntry(entry: TreeEntry, limits: Partial<Limits> = {}): Step<FileHandle> {
  checkEntry('open', entry);
  const { path, stats, mount } = entry;
  if (stats.type !== 'file') {
    throw new DiskError('invalid-argument', 'filesystem.not-a-file', `It is a ${stats.type}`, {
      op: 'open',
      guestPath: path,
    });
  }
  const map = yield* located(entry, 'open', mount.volume.openFile(stats.inode));
  return new FileHandle(path, stats, map, checkedLimits(limits));
}

/** Target of a symbolic link. */
export function entryLinkTarget(entry: TreeEntry): Step<string> {
  checkEntry('readlink', entry);
  return located(entry, 'readlink', entry.mount.volume.readlink(entry.stats.inode));
}

/** Extended attributes by full name, values as `getxattr(2)` gives them. */
export function entryXattrs(entry: TreeEntry): Step<ReadonlyMap<string, Uint8Array>> {
  checkEntry('xattrs', entry);
  return located(entry, 'xattrs', entry.mount.volume.xattrs(entry.stats.inode));
}

function checkEntry(op: string, entry: TreeEntry): void {
  checkFields(
    op,
    entry,
    { path: 'text', stats: 'object', mount: 'object' },
    ['stats', 'mount'],
    'entry',
  );
}

function* located<T>({ path }: TreeEntry, op: string, step: Step<T>): Step<T> {
  try {
    return yield* step;
  } catch (error) {
    if (error instanceof DiskError) {
      error.addContext({ op, guestPath: path, layer: 'filesystem' });
    }
    throw error;
  }
}
