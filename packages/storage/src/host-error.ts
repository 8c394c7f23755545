/** Failures of the host's file system as {@link DiskError}s; the host's own errno is kept. */
import { DiskError, type DiskErrorCode } from '@diskfile/bytes';

interface Explanation {
  readonly code: DiskErrorCode;
  readonly detail: string;
  readonly reason: string;
  readonly hint?: string;
}

const MISSING: Explanation = {
  code: 'not-found',
  detail: 'storage.not-found',
  reason: 'there is no such file',
  hint: 'Check the path.',
};
/** What is to be created is not there, of course. */
const NO_DIRECTORY: Explanation = {
  ...MISSING,
  reason: 'there is no such directory',
  hint: 'Create the directory first, or choose another path.',
};
const FORBIDDEN: Explanation = {
  code: 'denied',
  detail: 'storage.permission',
  reason: 'the host does not permit it',
  hint: 'Check the permissions of the file and of its directories.',
};
const NO_SPACE: Explanation = {
  code: 'no-space',
  detail: 'storage.no-space',
  reason: 'no space is left on the host',
  hint: 'Free some space, then try again.',
};
const TOO_MANY: Explanation = {
  code: 'limit',
  detail: 'storage.too-many-open-files',
  reason: 'too many files are open',
  hint: 'Close some disks, or raise the limit on open files (ulimit -n).',
};

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENOSPC: NO_SPACE,
  EDQUOT: {
    code: 'no-space',
    detail: 'storage.quota',
    reason: 'the disk quota on the host is used up',
    hint: 'Free some space, or have the quota raised, then try again.',
  },
  EFBIG: {
    code: 'no-space',
    detail: 'storage.file-too-large',
    reason: 'the host does not let a file grow so large',
    hint: 'Put it on another file system, or raise the limit on file sizes (ulimit -f).',
  },
  EROFS: {
    code: 'read-only',
    detail: 'storage.read-only',
    reason: 'it is on a read-only file system',
    hint: 'Open it for reading, or copy it elsewhere first.',
  },
  EEXIST: {
    code: 'invalid-argument',
    detail: 'storage.exists',
    reason: 'there is a file of that name already',
    hint: 'Choose another name, or allow it to be overwritten.',
  },
  ETXTBSY: { code: 'busy', detail: 'storage.busy', reason: 'something else holds it' },
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
  EBUSY: { code: 'busy', detail: 'storage.busy', reason: 'something else holds it' },
  ELOOP: {
    code: 'invalid-argument',
    detail: 'storage.symlink-loop',
    reason: 'its symbolic links lead nowhere',
  },
  ENAMETOOLONG: {
    code: 'invalid-argument',
    detail: 'storage.name-too-long',
    reason: 'its name is longer than the host allows',
  },
  ERR_INVALID_ARG_VALUE: {
    code: 'invalid-argument',
    detail: 'storage.name',
    reason: 'the host cannot have a file of that name',
  },
};

/** What went wrong when the host was asked to `op` the file at `path`. */
export function hostError(cause: unknown, op: string, path: string, offset?: number): DiskError {
  const host = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : '';
  const explained = EXPLANATIONS[String(host)];
  const known = explained === MISSING && op === 'create' ? NO_DIRECTORY : explained;
  const where = offset === undefined ? {} : { offset };
  const context = { op, path, layer: 'storage', cause, ...where };
  if (known === undefined) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new DiskError('io', 'storage.host', `Cannot ${op} ${path}: ${reason}`, context);
  }
  const { code, detail, reason, hint } = known;
  const withHint = hint === undefined ? context : { ...context, hint };
  return new DiskError(code, detail, `Cannot ${op} ${path}: ${reason}`, withHint);
}
