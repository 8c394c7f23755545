/** A snapshot table as it should be (specification, "Snapshots"). */
import type { Qcow2Header } from '../../header.ts';
import { describeSnapshot } from '../../snapshots.ts';
import { encodeSnapshotTable } from '../../snapshots/snapshot-entry.ts';
import { snapshotHeader } from '../../structs.ts';
import type { SnapshotEntry } from '../snapshot-entries.ts';

/**
 * What snapshots do not tell of themselves is taken from the image, as it is wherever the table is
 * written.
 * @throws DiskError `limit` for more than QEMU reads
 */
export function completeSnapshotTable(
  snapshots: readonly SnapshotEntry[],
  header: Qcow2Header,
): Uint8Array {
  return encodeSnapshotTable(
    snapshots.map(({ fixed, extra, id, name }) =>
      describeSnapshot({ fixed: snapshotHeader.decode(fixed), extra, id, name }, header),
    ),
  );
}
