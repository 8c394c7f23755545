/** The files of a fork: where they are, and how they name each other. */
import fs from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import { nodeHostFiles } from '@diskfile/storage';

/** A path with the symbolic links of its directory resolved; the last name need not exist. */
export interface ForkFile {
  readonly path: string;
  readonly directory: string;
  /** Device and inode of what has the name now; undefined when nothing has it. */
  readonly identity: string | undefined;
  /** How many names it has. */
  readonly nameCount: number;
  /** Whether the name itself is a symbolic link. */
  readonly isLink: boolean;
}

export function* locate(path: string): Step<ForkFile> {
  if (basename(path) === '') throw notAFile(path);
  const directory = yield* nodeHostFiles.realpath(dirname(path));
  const found = yield* hostCall(
    () => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }),
    async () => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }),
  );
  return {
    path,
    directory,
    identity: found && `${found.dev}:${found.ino}`,
    nameCount: Number(found?.nlink ?? 0),
    isLink: found?.isSymbolicLink() ?? false,
  };
}

export function isSameName(one: ForkFile, other: ForkFile): boolean {
  return one.directory === other.directory && basename(one.path) === basename(other.path);
}

/**
 * Whether two names are one. Where spelling does not tell, as on a host that takes `A` for `a`, the
 * number of names does.
 */
export function isOneName(one: ForkFile, other: ForkFile): boolean {
  if (isSameName(one, other)) return true;
  return one.identity !== undefined && one.identity === other.identity && one.nameCount < 2;
}

/** How an image in the directory of `from` names `to`, so that both can be moved together. */
export function relativeName(from: ForkFile, to: ForkFile): string {
  const name = relative(from.directory, join(to.directory, basename(to.path)));
  // A colon before the first slash would make what precedes it the name of a protocol.
  return /^[^/]*:/.test(name) ? `./${name}` : name;
}

/** Whether a name that an image stores changes its meaning when the image is found elsewhere. */
export function isRelativeName(name: string): boolean {
  return !isAbsolute(name.startsWith('file:') ? name.slice('file:'.length) : name);
}

function notAFile(path: string): DiskError {
  return new DiskError('invalid-argument', 'fork.path', `${path} is no path of a file`, { path });
}
