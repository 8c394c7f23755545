/** What is said about bzip2 data that cannot be decoded. */
import { DiskError } from '@diskfile/bytes';

export function brokenBzip2(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.bzip2-broken', `A bzip2 stream is broken: ${reason}`);
}

export function unsupportedBzip2(reason: string): DiskError {
  return new DiskError('unsupported', 'codec.bzip2-unsupported', `A bzip2 stream ${reason}`);
}
