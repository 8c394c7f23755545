/** Refusals that all parts of the package word alike. */
import { DiskError, type DiskErrorOptions } from '@diskfile/bytes';

/** How to mend an image that cannot be used as it is. */
export const REPAIR_HINT =
  'Restore the image, or repair a copy of it with checkDiskFile(…, { repair: "all" }); the rest of it may still be readable.';

/** An image that contradicts the specification. `offset` is where in the image file it does. */
export function corrupt(
  detail: string,
  message: string,
  options: DiskErrorOptions = {},
): DiskError {
  return new DiskError('corrupt', detail, message, { hint: REPAIR_HINT, ...options });
}

/** The refusal of an L1 entry, which lies at `entryOffset` of the file. */
export function unalignedTable(index: number, hostOffset: number, entryOffset: number): DiskError {
  return corrupt(
    'qcow2.l2-table-unaligned',
    `L1 entry ${index} places its L2 table at ${hex(hostOffset)}, which is not where a cluster begins`,
    { offset: entryOffset },
  );
}

const HOST_OFFSET_LIMIT = 2 ** 52;

/**
 * Refuses a host offset that no file reaches; below the limit the sum of an offset and any length
 * within an image is still exact.
 * @param entryOffset of the table entry that names it
 */
export function checkReach(hostOffset: number, entryOffset: number): void {
  if (hostOffset < HOST_OFFSET_LIMIT) return;
  throw corrupt(
    'qcow2.offset-too-far',
    `A table entry names the host offset ${hex(hostOffset)}, beyond what any file holds`,
    { offset: entryOffset },
  );
}

/** Both halves of a number of 64 bits, exactly. */
export function hexPair(high: number, low: number): string {
  return high === 0 ? hex(low) : `${hex(high)}${low.toString(16).padStart(8, '0')}`;
}

/** `value` as people look for offsets. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
