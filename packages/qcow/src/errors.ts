/** Refusals that all parts of the package word alike. */
import { DiskError } from '@diskfile/bytes';

const HINT = 'Restore the image, or save what can still be read by converting it.';

/** An image that contradicts the description of the format. `offset` is where in the file it does. */
export function corrupt(detail: string, message: string, offset: number, hint = HINT): DiskError {
  return new DiskError('corrupt', detail, message, { offset, hint });
}

/** Something that was asked for and cannot be. */
export function refused(
  code: 'invalid-argument' | 'unsupported',
  detail: string,
  message: string,
  hint: string,
): DiskError {
  return new DiskError(code, detail, message, { format: 'qcow', layer: 'format', hint });
}

/** `value` as people look for offsets. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
