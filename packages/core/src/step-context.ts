/** What is known of steps, for whoever is told that one of them failed. */
import { DiskError, type DiskErrorContext } from '@diskfile/bytes';
import type { Step } from './step.ts';

/** Runs `body`; what it throws says more of where that was. */
export function* inContext<T>(context: DiskErrorContext, body: Step<T>): Step<T> {
  try {
    return yield* body;
  } catch (error) {
    if (error instanceof DiskError) error.addContext(context);
    throw error;
  }
}
