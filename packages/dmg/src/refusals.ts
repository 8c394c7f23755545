/** What is said when an image is damaged or of a kind that cannot be read. */
import { DiskError } from '@diskfile/bytes';

export function corrupt(detail: string, message: string, offset?: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    ...(offset === undefined ? {} : { offset }),
    hint: 'Get the image anew from where it comes from.',
  });
}

export function tooLarge(detail: string, message: string, limit: string): DiskError {
  return new DiskError('limit', detail, message, {
    hint: `Raise limits.${limit} if the image can be trusted.`,
  });
}
