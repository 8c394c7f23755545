/** Refusals that all parts of the package word alike. */
import { DiskError, type DiskErrorOptions } from '@diskfile/bytes';

const REPAIR_HINT =
  'Run "qemu-img check" on a copy of the image, or restore it; the rest of it may still be readable.';

/** An image that contradicts the specification. `offset` is where in the image file it does. */
export function corrupt(
  detail: string,
  message: string,
  options: DiskErrorOptions = {},
): DiskError {
  return new DiskError('corrupt', detail, message, { hint: REPAIR_HINT, ...options });
}

/**
 * Host offsets from here on are refused: no file reaches that far, and below it a sum of an offset
 * and any length within an image is still exact.
 */
export const HOST_OFFSET_LIMIT = 2 ** 52;

/** `value` as people look for offsets. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
