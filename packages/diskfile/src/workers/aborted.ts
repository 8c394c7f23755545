/** What bulk work reports when its caller calls it off. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';

export function abortedError(signal: AbortSignal, path: string): DiskError {
  return new DiskError('aborted', 'work.aborted', `The work on ${path} was called off`, {
    path,
    cause: signal.reason,
  });
}

/** @throws DiskError `aborted` when the signal has fired */
export function refuseAborted(signal: AbortSignal | undefined, path: string): void {
  if (signal?.aborted === true) throw abortedError(signal, path);
}

/** Does `work`, which fails with `aborted` at its next call of the host once the signal has fired. */
export function* unlessAborted<T>(
  work: Step<T>,
  signal: AbortSignal | undefined,
  path: string,
): Step<T> {
  let isCalledOff = false;
  let next = work.next();
  while (!next.done) {
    let failure: { error: unknown } | undefined;
    try {
      // Once: what it does about it may need the host as well.
      if (!isCalledOff) refuseAborted(signal, path);
      yield next.value;
    } catch (error) {
      isCalledOff = signal?.aborted === true;
      failure = { error };
    }
    next = failure === undefined ? work.next() : work.throw(failure.error);
  }
  return next.value;
}
