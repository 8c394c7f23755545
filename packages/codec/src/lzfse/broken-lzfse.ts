/** What is said about LZFSE data that cannot be decoded. */
import { DiskError } from '@diskfile/bytes';

export function brokenLzfse(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.lzfse-broken', `An LZFSE stream is broken: ${reason}`);
}
