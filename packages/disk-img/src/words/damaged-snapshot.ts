/** Snapshots of which the image does not say where their data is. */
import type { DiskError } from 'diskfile';

/** Whether a snapshot is said to have an L1 table where none can be. */
export function namesNoTable({ detail }: DiskError): boolean {
  return detail.startsWith('qcow2.snapshot-l1-table-');
}
