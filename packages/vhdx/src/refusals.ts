/** Refusals that all parts of the package word alike. */
import { DiskError } from '@diskfile/bytes';

export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    offset,
    hint: 'Restore the image, or convert what can still be read of it.',
  });
}

export function unsupported(detail: string, message: string, hint: string): DiskError {
  return new DiskError('unsupported', detail, message, { hint });
}
