/** What a disk does not do, whatever its format. */
import { DiskError } from '@diskfile/bytes';

export function onlyRead(path: string, op: string): DiskError {
  return new DiskError('read-only', 'disk.read-only', 'The disk was opened for reading only', {
    op,
    path,
    hint: 'Open it with { readOnly: false }.',
  });
}

export function writePending(path: string): DiskError {
  return new DiskError(
    'busy',
    'disk.async-write-pending',
    'An asynchronous write is under way, and closing would cut it short',
    { op: 'close', path, hint: 'Await it, or close asynchronously.' },
  );
}

export function closed(path: string, op: string): DiskError {
  return new DiskError('invalid-argument', 'disk.closed', 'The disk has been closed', { op, path });
}

export function noSync(path: string, op: string): DiskError {
  return new DiskError(
    'unsupported',
    'disk.no-sync',
    `${op} needs a storage that can be read synchronously`,
    { op, path, hint: 'Use the asynchronous form.' },
  );
}
