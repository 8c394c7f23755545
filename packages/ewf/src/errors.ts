/** What is wrong with an EWF image. */
import { adler32, DiskError, readU32le } from '@diskfile/bytes';

export function corrupt(detail: string, message: string, offset: number, path?: string): DiskError {
  return new DiskError('corrupt', detail, message, {
    offset,
    ...(path === undefined ? {} : { path }),
    hint: 'Copy the segment files anew from where they were acquired; none of them may be changed.',
  });
}

/** Whether a struct ends in the checksum of all that precedes it. */
export function isIntact(struct: Uint8Array): boolean {
  const end = struct.length - 4;
  return adler32(struct.subarray(0, end)) === readU32le(struct, end);
}
