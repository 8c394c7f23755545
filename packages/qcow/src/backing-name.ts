/** What can be stored as the name of a backing image. */
import { encodeName } from '@diskfile/bytes';
import type { BackingReference } from '@diskfile/core';
import { refused } from './errors.ts';
import { MAX_BACKING_NAME_BYTES } from './header.ts';

/** The bytes of a name. @throws DiskError `invalid-argument` */
export function encodeBackingName({ name }: BackingReference): Uint8Array {
  const bytes = encodeName(name);
  if (bytes.length > 0 && bytes.length <= MAX_BACKING_NAME_BYTES) return bytes;
  throw refused(
    'invalid-argument',
    'qcow.backing-name',
    `A backing file name has 1 to ${MAX_BACKING_NAME_BYTES} bytes; this one has ${bytes.length}`,
    'Choose a shorter path, for instance a relative one.',
  );
}
