/** A file in one array. */
import { DiskError } from '@diskfile/bytes';
import { checkOptions } from '../arguments.ts';
import type { FileHandle } from './file-handle.ts';

/** Largest file that `readFile` puts into one array unless the caller says otherwise. */
const READ_FILE_MAX_BYTES = 1024 * 1024 * 1024;

export interface ReadFileOptions {
  /** Refuse files longer than this. Default 1 GiB: a sparse file may claim any size. */
  readonly maxBytes?: number;
}

/** @throws DiskError `invalid-argument` */
export function checkReading(options: ReadFileOptions): void {
  checkOptions('readFile', options, { maxBytes: 'number' });
}

/** Room for all of it. @throws DiskError `limit` when it is longer than may be */
export function wholeFile(handle: FileHandle, { maxBytes = READ_FILE_MAX_BYTES }: ReadFileOptions) {
  if (handle.sizeBytes <= maxBytes) return new Uint8Array(handle.sizeBytes);
  throw new DiskError(
    'limit',
    'filesystem.file-too-large',
    `The file has ${handle.sizeBytes} bytes, more than the ${maxBytes} allowed in one array`,
    { op: 'readFile', guestPath: handle.path, hint: 'Stream it, or raise maxBytes.' },
  );
}
