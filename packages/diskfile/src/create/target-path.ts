/** Where a file is to be made. */
import { fileURLToPath } from 'node:url';
import { DiskError } from '@diskfile/bytes';

/** @throws DiskError `invalid-argument` for what is no path and no `file:` URL */
export function targetPath(target: string | URL, op: string): string {
  if (target instanceof URL && target.protocol === 'file:') return fileURLToPath(target);
  if (typeof target === 'string') return target;
  throw new DiskError(
    'invalid-argument',
    'create.target',
    'A file is made at a path or a file: URL',
    { op },
  );
}
