/** Giving up space that was set aside. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';

/** At worst the space is leaked; why the write failed is what matters. */
export function* cancelAllocation(allocation: { cancel(): Step<void> }): Step<void> {
  try {
    yield* allocation.cancel();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
