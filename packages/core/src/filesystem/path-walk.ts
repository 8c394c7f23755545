/**
 * Resolving guest paths, symbolic links included, without ever leaving the guest: an absolute
 * target starts again at the guest's root, and `..` of the root is the root.
 */
import { DiskError } from '@diskfile/bytes';
import { checkArgument } from '../arguments.ts';
import type { Step } from '../step.ts';
import type { MountTable, Place } from './mount-table.ts';

/** Links followed in one resolution before it counts as a loop; Linux has the same bound. */
const MAX_SYMLINKS = 40;

export interface ResolvedPath extends Place {
  /** Absolute, without links, `.` or `..` (a last link that was not followed excepted). */
  readonly path: string;
}

interface Visited extends Place {
  readonly name: string;
}

/**
 * @param followLast whether a link in the last place is followed (`stat`) or meant (`lstat`)
 * @throws DiskError `not-found`, `invalid-argument` (`filesystem.not-a-directory`) or `limit`
 *   (`filesystem.symlink-loop`)
 */
export function* resolvePath(
  table: MountTable,
  path: string,
  followLast: boolean,
): Step<ResolvedPath> {
  checkArgument('resolve', 'path', path, 'text');
  if (path.includes('\0')) {
    throw new DiskError('invalid-argument', 'filesystem.path', 'A path cannot hold a NUL byte');
  }
  const root: Visited = { ...table.root, name: '' };
  let trail: Visited[] = [root];
  const pending = namesOf(path);
  // A trailing slash asks for the directory behind a link.
  const follow = followLast || path.endsWith('/');
  let linksLeft = MAX_SYMLINKS;
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === '.') continue;
    if (name === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const child = yield* lookup(table, trail, name);
    const isLast = pending.length === 0;
    const target = isLast && !follow ? undefined : yield* linkTarget(child);
    if (target === undefined) {
      trail.push({ ...child, name });
      continue;
    }
    if (linksLeft === 0) throw tooManyLinks();
    linksLeft -= 1;
    if (target.startsWith('/')) trail = [root];
    pending.push(...namesOf(target));
  }
  const { mount, inode } = trail.at(-1)!;
  return { mount, inode, path: pathOf(trail) };
}

/** The names of a path, the last one first. */
function namesOf(path: string): string[] {
  return path
    .split('/')
    .filter((name) => name !== '')
    .toReversed();
}

function* lookup(table: MountTable, trail: readonly Visited[], name: string): Step<Place> {
  const { mount, inode } = trail.at(-1)!;
  try {
    const child = yield* mount.volume.lookup(inode, name);
    if (child !== undefined) return table.place(mount, child);
  } catch (error) {
    if (error instanceof DiskError) error.addContext({ guestPath: `${pathOf(trail)}` });
    throw error;
  }
  throw new DiskError(
    'not-found',
    'filesystem.not-found',
    'No such file or directory in the guest',
    {
      guestPath: `${pathOf(trail).replace(/\/$/, '')}/${name}`,
    },
  );
}

function* linkTarget({ mount, inode }: Place): Step<string | undefined> {
  const { type } = yield* mount.volume.stat(inode);
  return type === 'symlink' ? yield* mount.volume.readlink(inode) : undefined;
}

function pathOf(trail: readonly Visited[]): string {
  return trail.length === 1 ? '/' : trail.map(({ name }) => name).join('/');
}

function tooManyLinks(): DiskError {
  return new DiskError(
    'limit',
    'filesystem.symlink-loop',
    `More than ${MAX_SYMLINKS} symbolic links in one path`,
    { hint: 'The links most likely point at each other.' },
  );
}
