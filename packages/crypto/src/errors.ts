/** Refusals that encrypted formats have in common. */
import { DiskError } from '@diskfile/bytes';

/** The refusal to read or write what is encrypted without its passphrase. */
export function passphraseMissing(format: string): DiskError {
  return new DiskError(
    'wrong-key',
    `${format}.passphrase-missing`,
    'The disk is encrypted, and no passphrase was given',
    { hint: 'Open it with { passphrase }.' },
  );
}
