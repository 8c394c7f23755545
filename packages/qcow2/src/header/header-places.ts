/** Where the header has tables and the name of the backing file, and what is refused of that. */
import { DiskError, isAligned, joinU64 } from '@diskfile/bytes';
import { corrupt, hex, REPAIR_HINT } from '../errors.ts';
import type { headerV2 } from '../structs.ts';

/** A table in the image file: where it begins and how many entries the header gives it. */
export interface TableReference {
  readonly offset: number;
  readonly entries: number;
}

type RawV2 = ReturnType<typeof headerV2.decode>;

export const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
const MAX_SNAPSHOTS = 65_536;
export const MAX_BACKING_NAME_BYTES = 1023;

/** QEMU's own bound on the L1 table of the active state. */
export const MAX_L1_BYTES = 32 * 1024 * 1024;

/** @throws DiskError `corrupt` */
export function checkL1Entries(entries: number, needed: number): void {
  if (entries * 8 > MAX_L1_BYTES) {
    throw corrupt(
      'qcow2.l1-table-too-large',
      `The L1 table has ${entries} entries, more than any disk needs`,
      { offset: 36 },
    );
  }
  if (entries >= needed) return;
  throw corrupt('qcow2.l1-table-too-small', 'The L1 table is too small for the disk', {
    offset: 36,
  });
}

/** Refcounts are not needed to read, but a header that gets them wrong is not to be trusted. */
export function parseRefcountTable(
  raw: RawV2,
  clusterBytes: number,
): { offset: number; clusters: number } {
  const { refcount_table_offset: offset, refcount_table_clusters: clusters } = raw;
  checkTable('refcount table', offset, clusters, clusterBytes, 48);
  if (clusters >= 1 && clusters * clusterBytes <= MAX_REFCOUNT_TABLE_BYTES)
    return { offset, clusters };
  throw corrupt(
    'qcow2.refcount-table-size',
    `A refcount table of ${clusters} clusters is not possible`,
    { offset: 56 },
  );
}

export function parseSnapshotTable(raw: RawV2, clusterBytes: number): TableReference {
  const { nb_snapshots: entries, snapshots_offset_high: high, snapshots_offset_low: low } = raw;
  if (entries > MAX_SNAPSHOTS) {
    throw new DiskError(
      'limit',
      'qcow2.snapshot-count',
      `The header counts ${entries} snapshots; up to ${MAX_SNAPSHOTS} are possible`,
      { offset: 60, hint: REPAIR_HINT },
    );
  }
  checkTable('snapshot table', low, entries, clusterBytes, 64);
  if (entries === 0) {
    // A place is possible or not, whether anything lies there or nothing.
    if (high >= 2 ** 31) joinU64(high, low, 'snapshots_offset');
    return { offset: 0, entries: 0 };
  }
  return { offset: joinU64(high, low, 'snapshots_offset'), entries };
}

/** @throws DiskError `corrupt` when the table does not begin at a cluster. */
export function checkTable(
  what: string,
  offset: number,
  entries: number,
  clusterBytes: number,
  fieldOffset: number,
): TableReference {
  if (isAligned(offset, clusterBytes)) return { offset, entries };
  throw corrupt(
    `qcow2.${what.replaceAll(' ', '-').toLowerCase()}-unaligned`,
    `The ${what} at ${hex(offset)} does not begin at a cluster`,
    { offset: fieldOffset },
  );
}

export function parseBackingName(
  raw: RawV2,
  clusterBytes: number,
): { offset: number; lengthBytes: number } | undefined {
  const { backing_file_offset: offset, backing_file_size: lengthBytes } = raw;
  if (offset === 0) return undefined;
  if (offset > clusterBytes) {
    throw corrupt(
      'qcow2.backing-name-offset',
      `The backing file name at ${hex(offset)} lies behind the header cluster`,
      { offset: 8 },
    );
  }
  const longest = Math.min(MAX_BACKING_NAME_BYTES, clusterBytes - offset);
  if (lengthBytes > longest) {
    throw corrupt(
      'qcow2.backing-name',
      `The backing file name, ${lengthBytes} bytes at ${hex(offset)}, leaves the header cluster`,
      { offset: 8 },
    );
  }
  return lengthBytes === 0 ? undefined : { offset, lengthBytes };
}
