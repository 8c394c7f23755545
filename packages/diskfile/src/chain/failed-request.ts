/** Which request to a disk failed, where work over whole disks makes many of them. */
import { type DiskErrorContext, DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';

export type AskedOf = Pick<DiskErrorContext, 'request' | 'guestOffset' | 'operand'>;

/** Runs `body`; what it throws says what was asked of the disk, worked out only then if it is a function. */
export function* asking<T>(asked: AskedOf | (() => AskedOf), body: Step<T>): Step<T> {
  try {
    return yield* body;
  } catch (error) {
    if (error instanceof DiskError) error.addContext(typeof asked === 'function' ? asked() : asked);
    throw error;
  }
}
