/** New space that the host sets aside as zeros, without writing them. */
import type { Allocation } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { allocateSpace, announce, during, punchHole } from '../storage.ts';

/**
 * Makes all of the space read as zeros. False, with nothing changed, where the host can do that by
 * writing only.
 */
export function* reserveZeros(allocation: Allocation): Step<boolean> {
  const { hostOffset, lengthBytes, readsAsZero } = allocation;
  const storage = during(allocation.storage, 'pwritev_zero');
  yield* announce(storage, 'cluster_alloc_space');
  if (!readsAsZero && !(yield* punchHole(storage, hostOffset, lengthBytes))) return false;
  // Where the host cannot set space aside, the zeros are there all the same.
  yield* allocateSpace(storage, hostOffset, lengthBytes);
  return true;
}
