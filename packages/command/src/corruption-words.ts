/** What QEMU says of a qcow2 image as it finds that it is damaged. */
import type { DiskError } from 'diskfile';

const ENTRY_BYTES = 8;

/** Metadata by QEMU's names. */
const STRUCTURES: Readonly<Record<string, string>> = {
  header: 'qcow2_header',
  'L1 table': 'active L1 table',
  'L2 table': 'active L2 table',
  "snapshot's L1 table": 'inactive L1 table',
  "snapshot's L2 table": 'inactive L2 table',
};

/** @returns undefined for damage that QEMU says nothing of */
export function damageOf(
  { detail, message, context }: DiskError,
  clusterBytes: number,
): string | undefined {
  if (detail === 'qcow2.overlap') {
    const [, structure] = /own (.*)$/.exec(message) ?? [];
    const name = STRUCTURES[structure ?? ''] ?? structure ?? '';
    return `Preventing invalid write on metadata (overlaps with ${name})`;
  }
  if (detail === 'qcow2.header-cluster-free') {
    const [, use] = /become a (.*)$/.exec(message) ?? [];
    return `Preventing invalid allocation of ${use} at offset 0`;
  }
  if (detail === 'qcow2.l2-table-unaligned') {
    const [, index, place] = /L1 entry (\d+) .* at (0x[0-9a-f]+)/.exec(message) ?? [];
    return `L2 table offset ${place} unaligned (L1 index: ${hex(Number(index))})`;
  }
  if (detail === 'qcow2.l2-entry-unaligned') {
    const [, place] = /host offset (0x[0-9a-f]+)/.exec(message) ?? [];
    const entry = context.offset ?? 0;
    const index = (entry % clusterBytes) / ENTRY_BYTES;
    const table = entry - (entry % clusterBytes);
    return `Cluster allocation offset ${place} unaligned (L2 offset: ${hex(table)}, L2 index: ${hex(index)})`;
  }
  return undefined;
}

/** As printf(3) has `%#x`. */
function hex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}
