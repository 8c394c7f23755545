/** A snapshot table as it should be (specification, "Snapshots"). */
import { alignUp, readU32be, writeU32be, writeU64be } from '@diskfile/bytes';
import { snapshotHeader } from '../../structs.ts';
import type { SnapshotEntry } from '../snapshot-entries.ts';

/** The sizes of the VM state and of the disk, which version 3 asks for. */
const V3_EXTRA_BYTES = 16;

/** @param diskSizeBytes for snapshots that do not tell how large their disk is */
export function encodeSnapshotTable(
  snapshots: readonly SnapshotEntry[],
  version: 2 | 3,
  diskSizeBytes: number,
): Uint8Array {
  const entries = snapshots.map((snapshot) => ({
    ...snapshot,
    extra: version === 3 ? completeExtra(snapshot, diskSizeBytes) : snapshot.extra,
  }));
  let lengthBytes = 0;
  for (const { extra, id, name } of entries) {
    const entryBytes = snapshotHeader.spanBytes + extra.length + id.length + name.length;
    lengthBytes = alignUp(lengthBytes, 8) + entryBytes;
  }
  const table = new Uint8Array(lengthBytes);
  let at = 0;
  for (const { fixed, extra, id, name } of entries) {
    at = alignUp(at, 8);
    table.set(fixed, at);
    writeU32be(table, at + snapshotHeader.offsetOf('extra_data_size'), extra.length);
    at += snapshotHeader.spanBytes;
    for (const part of [extra, id, name]) {
      table.set(part, at);
      at += part.length;
    }
  }
  return table;
}

function completeExtra({ fixed, extra }: SnapshotEntry, diskSizeBytes: number): Uint8Array {
  if (extra.length >= V3_EXTRA_BYTES) return extra;
  const complete = new Uint8Array(V3_EXTRA_BYTES);
  writeU64be(complete, 8, diskSizeBytes);
  if (extra.length >= 8) complete.set(extra.subarray(0, 8));
  else writeU32be(complete, 4, readU32be(fixed, snapshotHeader.offsetOf('vm_state_size')));
  return complete;
}
