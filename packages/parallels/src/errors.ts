/** Refusals that all parts of the package word alike. */
import { DiskError } from '@diskfile/bytes';

const REPAIR_HINT =
  'Restore the image, or repair a copy of it with checkDiskFile(…, { repair: "all" }).';

/** An image that contradicts the specification. `offset` is where in the file it does. */
export function corrupt(
  detail: string,
  message: string,
  offset: number,
  hint = REPAIR_HINT,
): DiskError {
  return new DiskError('corrupt', detail, message, { offset, hint });
}

/** `value` as people look for offsets. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
