/** What is there already under the name of a new file. */
import fs from 'node:fs';
import { basename, dirname, isAbsolute, sep } from 'node:path';
import { closeStorage, hostCall, type Step } from '@diskfile/core';
import { hostError } from './host-error.ts';
import { nodeHostFiles } from './host-files.ts';
import type { ImageLocking } from './image-lock.ts';
import { openFileStorage } from './open-file.ts';
import type { WritableFileStorage } from './writable-file-storage.ts';

/** Owner and permissions of a file. */
export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** The file that is to be replaced, held so that nobody takes it into use meanwhile. */
export interface Replaced {
  readonly storage: WritableFileStorage;
  readonly path: string;
  readonly access: FileAccess;
  readonly isDevice: boolean;
}

interface ReplacingOptions {
  readonly overwrite: boolean;
  readonly locking: ImageLocking;
  /** Whether it may be a block device as well. */
  readonly mayBeDevice: boolean;
}

/** The bits of a mode that chmod(2) sets. */
const MODE_BITS = 0o10000;
/** As many as Linux follows. */
const MAX_LINKS = 40;

/** @returns what has the name; or the path that the new file will have, which a link may lead to */
export function* findReplaced(path: string, options: ReplacingOptions): Step<Replaced | string> {
  if (basename(path) === '') throw hostError({ code: 'ENOENT' }, 'create', path);
  if (!(yield* isThere(path))) return path;
  if (!options.overwrite) throw hostError({ code: 'EEXIST' }, 'create', path);
  const missing = yield* missingTarget(path);
  if (missing !== undefined) return missing;
  const storage = yield* openFileStorage(path, {
    writable: true,
    kinds: options.mayBeDevice ? ['regular file', 'block device'] : ['regular file'],
    locking: options.locking,
  });
  try {
    // The file behind symbolic links is replaced, not the link.
    const realPath = yield* nodeHostFiles.realpath(path);
    const { kind } = yield* nodeHostFiles.status(realPath);
    const access = yield* fileAccess(realPath);
    return { storage, path: realPath, access, isDevice: kind === 'block device' };
  } catch (error) {
    yield* closeStorage(storage);
    throw error;
  }
}

/** Whether a name is taken, be it by a symbolic link that leads nowhere. */
function* isThere(path: string): Step<boolean> {
  try {
    return yield* hostCall(
      () => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined,
      async () => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined,
    );
  } catch (cause) {
    throw hostError(cause, 'create', path);
  }
}

/** Where the file would be that a symbolic link leads to, if there is none: as open(2) makes it. */
function* missingTarget(path: string): Step<string | undefined> {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    let next: string;
    try {
      next = yield* hostCall(
        () => fs.readlinkSync(target),
        () => fs.promises.readlink(target),
      );
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      return code === 'ENOENT' && links > 0 && basename(target) !== '' ? target : undefined;
    }
    // Not normalised: what `..` after a symbolic link means is for the host to say.
    target = isAbsolute(next) ? next : dirname(target) + sep + next;
  }
  throw hostError({ code: 'ELOOP' }, 'create', path);
}

/** Who may use a file that is there. */
export function* fileAccess(path: string): Step<FileAccess> {
  try {
    const { uid, gid, mode } = yield* hostCall(
      () => fs.statSync(path),
      () => fs.promises.stat(path),
    );
    return { uid, gid, mode: mode % MODE_BITS };
  } catch (cause) {
    throw hostError(cause, 'create', path);
  }
}
