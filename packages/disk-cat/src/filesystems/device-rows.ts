/** Filesystems, partitions and the disk itself as rows of one table, as virt-filesystems has them. */
import type { DiskFile, DiskPartition, DiskPartitionTable, GuestDevice } from 'diskfile';

export interface RowKinds {
  readonly filesystems: boolean;
  /** Also what cannot be mounted: swap, containers, unknown content. */
  readonly extra: boolean;
  readonly partitions: boolean;
  readonly blockDevices: boolean;
}

/** Null stands for what the object does not have. */
export interface DeviceRow {
  readonly name: string;
  readonly type: 'filesystem' | 'partition' | 'device';
  /** Type of the content, as `blkid` calls it; `unknown` when it is not recognised. */
  readonly vfs: string | null;
  readonly label: string | null;
  /** Type byte of an MBR partition, two hexadecimal digits. */
  readonly mbr: string | null;
  readonly sizeBytes: number;
  readonly parent: string | null;
  readonly uuid: string | null;
}

const DISK = '/dev/sda';

export function deviceRows(
  disk: DiskFile,
  table: DiskPartitionTable | undefined,
  devices: readonly GuestDevice[],
  kinds: RowKinds,
): DeviceRow[] {
  const rows: DeviceRow[] = [];
  if (kinds.filesystems) {
    const shown = devices.filter(({ content }) => kinds.extra || content?.usage === 'filesystem');
    rows.push(...shown.map(filesystemRow));
  }
  if (kinds.partitions && table !== undefined) {
    rows.push(...table.partitions.map((partition) => partitionRow(partition, table)));
  }
  if (kinds.blockDevices) {
    rows.push({
      name: DISK,
      type: 'device',
      vfs: null,
      label: null,
      mbr: null,
      sizeBytes: disk.sizeBytes,
      parent: null,
      uuid: table === undefined || table.diskId === '' ? null : table.diskId,
    });
  }
  return rows;
}

function filesystemRow({ name, content, sizeBytes }: GuestDevice): DeviceRow {
  return {
    name,
    type: 'filesystem',
    vfs: content?.type ?? 'unknown',
    label: orNull(content?.label),
    mbr: null,
    sizeBytes,
    parent: null,
    uuid: orNull(content?.uuid),
  };
}

function partitionRow(partition: DiskPartition, { scheme }: DiskPartitionTable): DeviceRow {
  return {
    name: `${DISK}${partition.number}`,
    type: 'partition',
    vfs: null,
    label: orNull(partition.name),
    mbr: scheme === 'mbr' ? partition.type.id.replace(/^0x/, '') : null,
    sizeBytes: partition.lengthBytes,
    parent: DISK,
    uuid: orNull(partition.uuid),
  };
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}
