/** The independent verifier, in the words of these tests. */
import { verifyQcow2 } from '@diskfile/testkit';

export interface Verdict {
  /** What must never be: a refcount that is too low, an overlap, a wrong COPIED flag. */
  readonly errors: readonly string[];
  /** Clusters that are counted more often than they are used. */
  readonly leaks: readonly string[];
}

/** Looks at the active state, at all snapshots and at the bitmaps. */
export function verifyImage(image: Uint8Array): Verdict {
  const { errors, leaks } = verifyQcow2(image);
  return { errors, leaks };
}
