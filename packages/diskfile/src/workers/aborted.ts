/** What bulk work reports when its caller calls it off. */
import { DiskError } from '@diskfile/bytes';

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
