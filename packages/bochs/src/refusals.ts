/** What is said when an image is damaged. */
import { DiskError } from '@diskfile/bytes';

export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    offset,
    hint: 'Get the image anew from a backup.',
  });
}
