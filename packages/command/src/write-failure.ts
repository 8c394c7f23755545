/** Failures of the host while something is written to it, as {@link DiskError}s. */
import { DiskError, type DiskErrorCode } from '@diskfile/bytes';

interface Explanation {
  readonly code: DiskErrorCode;
  readonly reason: string;
  readonly hint?: string;
}

const FULL: Explanation = { code: 'no-space', reason: 'no space is left', hint: 'Make room.' };
const FORBIDDEN: Explanation = { code: 'denied', reason: 'the host does not permit it' };

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: { code: 'read-only', reason: 'the host holds it read-only' },
  ENOENT: { code: 'not-found', reason: 'its directory does not exist' },
  ENOTDIR: { code: 'invalid-argument', reason: 'a part of its path is no directory' },
  EISDIR: { code: 'invalid-argument', reason: 'a directory stands there' },
  ENOTEMPTY: { code: 'invalid-argument', reason: 'a directory stands there' },
  ENAMETOOLONG: { code: 'invalid-argument', reason: 'its name is longer than the host allows' },
  EFBIG: { code: 'limit', reason: 'the host cannot hold a file of that size' },
};

/** What went wrong when the host was asked to write `path`. */
export function writeFailure(cause: unknown, path: string): DiskError {
  const host = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const { code, reason, hint } = EXPLANATIONS[host] ?? {
    code: 'io',
    reason: cause instanceof Error ? cause.message : String(cause),
  };
  return new DiskError(code, 'host.write', `Cannot write ${path}: ${reason}`, {
    op: 'write',
    path,
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
