/** Long stretches of zeros, found by block status alone. */
import { type DiskFile, runAsync } from '@diskfile/core';
import { nextStatus } from '../chain/disk-steps.ts';
import { asking } from '../chain/failed-request.ts';
import { refuseAborted } from '../workers/aborted.ts';

/**
 * Where the zeros that begin at `guestOffset` end, as far as block status knows; `guestOffset`
 * itself where there are none.
 *
 * Merging a long run of data into one status takes time that would be wasted here. So the question
 * is about `stepBytes` first, and about a longer range only where those are zeros. The longer range
 * doubles, so that no single question takes much longer than all before it.
 *
 * @throws DiskError `aborted` when the signal asks for it
 */
export async function endOfZeros(
  disk: DiskFile,
  guestOffset: number,
  stepBytes: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let at = guestOffset;
  let longBytes = stepBytes;
  for (;;) {
    const step = Math.min(stepBytes, disk.sizeBytes - at);
    const zeros = await leadingZeros(disk, at, step);
    at += zeros;
    if (zeros < step || at === disk.sizeBytes) return at;
    refuseAborted(signal, disk.name);
    longBytes *= 2;
    at += await leadingZeros(disk, at, Math.min(longBytes, disk.sizeBytes - at));
    if (at === disk.sizeBytes) return at;
  }
}

async function leadingZeros(
  disk: DiskFile,
  guestOffset: number,
  lengthBytes: number,
): Promise<number> {
  const asked = { request: 'block-status', guestOffset } as const;
  const { zero, lengthBytes: zeros } = await runAsync(
    asking(asked, nextStatus(disk, guestOffset, lengthBytes)),
  );
  return zero ? zeros : 0;
}
