/** The requests that a copy makes of disks, and where on them one has failed. */
import { type HostCall, type Step, stepCall } from '@diskfile/core';
import { asking } from '../chain/failed-request.ts';

/** Ranges of data as pairs: guest offset in the target, length. */
export type GuestRanges = Float64Array;

/** What is asked of a disk at once, as by QEMU: a failure then names the place that it names. */
export const REQUEST_BYTES = 2 * 1024 * 1024;

/**
 * Tells where the requests begin by which bytes of the ranges are read.
 * @returns to be asked for bytes in their order
 */
export function requestStarts(ranges: GuestRanges): (guestOffset: number) => number {
  let at = 0;
  return (guestOffset) => {
    while (at + 2 < ranges.length && ranges[at + 2]! <= guestOffset) at += 2;
    return guestOffset - ((guestOffset - ranges[at]!) % REQUEST_BYTES);
  };
}

/** A write, of which a failure says at which byte of the disk it was. */
export function writing(guestOffset: number, write: HostCall): HostCall {
  return stepCall(() => asking({ request: 'write', guestOffset }, once(write)));
}

function* once(call: HostCall): Step<void> {
  yield call;
}
