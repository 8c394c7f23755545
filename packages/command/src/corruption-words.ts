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
export function damageOf({ detail, message, context }: DiskError): string | undefined {
  if (detail === 'qcow2.overlap') {
    const [, structure] = /own (.*)$/.exec(message) ?? [];
    // Other overlaps are refused here alone, and nobody marks the image for them.
    if (structure === undefined) return undefined;
    const name = STRUCTURES[structure] ?? structure;
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
  if (detail === 'qcow2.refcount-block-offset') {
    const [, index, place] = /entry (\d+) .* at (0x[0-9a-f]+)/.exec(message) ?? [];
    return `Refblock offset ${place} unaligned (reftable index: ${hex(Number(index))})`;
  }
  if (detail === 'qcow2.refcount-block-uncovered') {
    const [, place] = /(0x[0-9a-f]+)$/.exec(message) ?? [];
    return `Refblock at ${place} is not covered by the refcount structures`;
  }
  if (detail === 'qcow2.refcount-block-count') {
    const [covering, place] = message.match(/0x[0-9a-f]+/g) ?? [];
    const [, index, count] = /entry (\d+) .* (\d+) times$/.exec(message) ?? [];
    return `Invalid refcount: refblock offset ${covering}, reftable index ${index}, block offset ${place}, refcount ${hex(Number(count))}`;
  }
  if (detail === 'qcow2.write-place-unaligned') {
    const what = message.startsWith('The zero') ? 'Preallocated zero cluster' : 'Data cluster';
    const [at, place] = message.match(/0x[0-9a-f]+/g) ?? [];
    return `${what} offset ${place} unaligned (guest offset: ${hex(Number(at))})`;
  }
  if (detail === 'qcow2.l2-entry-unaligned') {
    const [, place, size] = /host offset (0x[0-9a-f]+), .* cluster size (\d+)$/.exec(message) ?? [];
    if (size === undefined) return undefined;
    const entry = context.offset ?? 0;
    const inTable = entry % Number(size);
    return `Cluster allocation offset ${place} unaligned (L2 offset: ${hex(entry - inTable)}, L2 index: ${hex(inTable / ENTRY_BYTES)})`;
  }
  if (detail === 'qcow2.l2-entry-bitmap' || detail === 'qcow2.write-entry-bitmap') {
    const [, index, table] = /^Entry (\d+) .* at (0x[0-9a-f]+)/.exec(message) ?? [];
    const found = detail === 'qcow2.l2-entry-bitmap' ? 'found ' : 'found';
    return `Invalid cluster entry ${found} (L2 offset: ${table}, L2 index: ${hex(Number(index))})`;
  }
  if (detail === 'qcow2.data-file-offset') {
    const [at, place] = message.match(/0x[0-9a-f]+/g) ?? [];
    return `External data file host cluster offset ${place} does not match guest cluster offset: ${hex(Number(at))}, L2 index: ${hex(Number(/entry (\d+)/.exec(message)?.[1]))})`;
  }
  return undefined;
}

/** As printf(3) has `%#x`. */
function hex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}
