/** What can be stored as the name of a backing image. */
import { encodeName } from '@diskfile/bytes';
import type { BackingReference } from '@diskfile/core';
import { refused } from './errors.ts';
import { MAX_BACKING_NAME_BYTES } from './header.ts';

/** @throws DiskError `invalid-argument` */
export function checkBackingName({ name }: BackingReference): void {
  const nameBytes = encodeName(name).length;
  if (nameBytes > 0 && nameBytes <= MAX_BACKING_NAME_BYTES) return;
  throw refused(
    'invalid-argument',
    'qed.backing-name',
    `A backing file name has 1 to ${MAX_BACKING_NAME_BYTES} bytes; this one has ${nameBytes}`,
    'Choose a shorter path, for instance a relative one.',
  );
}
