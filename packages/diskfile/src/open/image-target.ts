/** Images and files as callers give them. */
import { fileURLToPath } from 'node:url';
import { DiskError } from '@diskfile/bytes';
import type { Storage } from '@diskfile/core';

/** A path of the host, from a path or a `file:` URL. @throws DiskError `invalid-argument` */
export function hostPath(op: string, target: unknown): string {
  const path = pathOf(target);
  if (path !== undefined) return path;
  throw refused(op, 'A file is given by a path or a file: URL');
}

/** A path of the host or a storage. @throws DiskError `invalid-argument` */
export function imageTarget(op: string, target: unknown): string | Storage {
  const path = pathOf(target);
  if (path !== undefined && path !== '') return path;
  if (typeof target === 'object' && target !== null && 'closeSync' in target) {
    return target as Storage;
  }
  throw refused(op, 'A disk is opened by a path, a file: URL or a storage');
}

function pathOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (!(target instanceof URL)) return undefined;
  try {
    return fileURLToPath(target);
  } catch {
    // Of another scheme, or with a host.
    return undefined;
  }
}

function refused(op: string, message: string): DiskError {
  return new DiskError('invalid-argument', `${op}.target`, message, { op });
}
