/** Writing a file that another thread of the process has open. */
import fs from 'node:fs';
import { hostError } from './host-error.ts';
import { MAX_REQUEST_BYTES } from './file-storage.ts';

/**
 * Writes all of `src`.
 * @throws DiskError `no-space` or `io`; part of `src` may then be written
 */
export function writeShared(
  { fd, name }: { readonly fd: number; readonly name: string },
  src: Uint8Array,
  offset: number,
): void {
  let done = 0;
  try {
    while (done < src.length) {
      const lengthBytes = Math.min(src.length - done, MAX_REQUEST_BYTES);
      const count = fs.writeSync(fd, src, done, lengthBytes, offset + done);
      if (count === 0) throw nothingWritten();
      done += count;
    }
  } catch (cause) {
    throw hostError(cause, 'write', name, offset + done);
  }
}

export function nothingWritten(): Error {
  return new Error('the host took none of the bytes');
}
