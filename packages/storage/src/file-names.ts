/** Further names for files that are there. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import { hostError } from './host-error.ts';
import { syncDirectory } from './new-file.ts';

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS']);

/**
 * Gives a file a second name, durably. Both are names of the same bytes then.
 * @throws DiskError `invalid-argument` when the name is taken, `unsupported` where the file system
 *   has no such names, or the two would be on different ones
 */
export function* addFileName(path: string, name: string): Step<void> {
  try {
    yield* hostCall(
      () => fs.linkSync(path, name),
      () => fs.promises.link(path, name),
    );
    yield* syncDirectory(dirname(name));
  } catch (cause) {
    throw linkError(cause, path, name);
  }
}

function linkError(cause: unknown, path: string, name: string): DiskError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const apart = code === 'EXDEV';
  if (!apart && !NO_LINKS.has(code)) return hostError(cause, 'link', name);
  return new DiskError(
    'unsupported',
    'storage.no-second-name',
    apart
      ? `${name} would lie on another file system than ${path}`
      : `The file system does not let ${path} have a second name`,
    {
      op: 'link',
      path: name,
      layer: 'storage',
      cause,
      hint: 'Choose a name in the same directory.',
    },
  );
}

/** Takes one name from a file, durably. */
export function* removeFileName(name: string): Step<void> {
  try {
    yield* hostCall(
      () => fs.unlinkSync(name),
      () => fs.promises.unlink(name),
    );
    yield* syncDirectory(dirname(name));
  } catch (cause) {
    throw hostError(cause, 'unlink', name);
  }
}
