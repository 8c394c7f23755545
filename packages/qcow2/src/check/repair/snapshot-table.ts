/** A snapshot table as it should be (specification, "Snapshots"). */
import { readU32be } from '@diskfile/bytes';
import { completeExtra, encodeEntries } from '../../snapshots/snapshot-entry.ts';
import { snapshotHeader } from '../../structs.ts';
import type { SnapshotEntry } from '../snapshot-entries.ts';

/**
 * What the entries say stays as it is, be it possible or not; what they lack is added.
 * @param diskSizeBytes for snapshots that do not tell how large their disk is
 * @throws DiskError `limit` for more than QEMU reads
 */
export function completeSnapshotTable(
  snapshots: readonly SnapshotEntry[],
  diskSizeBytes: number,
): Uint8Array {
  const vmStateAt = snapshotHeader.offsetOf('vm_state_size');
  return encodeEntries(
    snapshots.map((entry) => {
      const vmStateBytes = readU32be(entry.fixed, vmStateAt);
      return { ...entry, extra: completeExtra(entry.extra, vmStateBytes, diskSizeBytes) };
    }),
  );
}
