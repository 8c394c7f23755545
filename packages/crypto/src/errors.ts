/** Refusals that encrypted formats have in common. */
import { DiskError } from '@diskfile/bytes';

/**
 * The refusal to read or write what is encrypted without its passphrase.
 * @param method what it is encrypted by, for people
 */
export function passphraseMissing(format: string, method = 'LUKS'): DiskError {
  return new DiskError(
    'wrong-key',
    `${format}.passphrase-missing`,
    `The disk is encrypted (${method}), and reading it needs its key: no passphrase was given`,
    { hint: 'Open it with { passphrase }.' },
  );
}
