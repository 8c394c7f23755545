/** Refusals that all parts of the package word alike. */
import { DiskError } from '@diskfile/bytes';

const REPAIR_HINT =
  'Restore the image, or repair a copy of it with checkDiskFile(…, { repair: "all" }); the rest of it may still be readable.';

/** An image that contradicts the specification. `offset` is where in the file it does. */
export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, { offset, hint: REPAIR_HINT });
}

/** Something that was asked for and cannot be. */
export function refused(
  code: 'invalid-argument' | 'unsupported',
  detail: string,
  message: string,
  hint?: string,
): DiskError {
  const context = { format: 'qed', layer: 'format' };
  return new DiskError(code, detail, message, hint === undefined ? context : { ...context, hint });
}

/** `value` as people look for offsets. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
