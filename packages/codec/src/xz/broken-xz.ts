/** What is said about xz data that cannot be decoded. */
import { DiskError } from '@diskfile/bytes';

export function brokenXz(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.xz-broken', `An xz stream is broken: ${reason}`);
}

export function unsupportedXz(reason: string): DiskError {
  return new DiskError('unsupported', 'codec.xz-unsupported', `An xz stream ${reason}`);
}
