/** What a disk holds: its partition table and its filesystems. */
import {
  closeDevicesSync,
  DiskError,
  type DiskFile,
  type DiskPartitionTable,
  type DiskWarning,
  type GuestDevice,
  openDevicesSync,
  readPartitionsSync,
} from 'diskfile';
import type { Report } from '../cli/report.ts';

export interface ContentsPartition {
  readonly device: string;
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  readonly type: { readonly id: string; readonly name: string };
  readonly name: string;
  readonly uuid: string;
  readonly bootable: boolean;
  readonly flags: readonly string[];
  readonly logical: boolean;
  readonly extended: boolean;
}

export interface ContentsTable {
  readonly scheme: string;
  readonly sectorBytes: number;
  readonly diskId: string;
  readonly partitions: readonly ContentsPartition[];
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ContentsFilesystem {
  readonly device: string;
  /** As `blkid` calls it; `unknown` where a damaged one could not be recognised. */
  readonly type: string;
  readonly usage: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  /** Null where the filesystem cannot be read. */
  readonly usedBytes: number | null;
  readonly availableBytes: number | null;
  readonly details: Readonly<Record<string, unknown>> | null;
  /** Why it cannot be read. */
  readonly problem: string | null;
}

export interface Contents {
  readonly partitionTable: ContentsTable | null;
  readonly filesystems: readonly ContentsFilesystem[];
  readonly warnings: readonly DiskWarning[];
}

/** Undefined when the content cannot be read; damage is an error then, and encryption is not. */
export function readContents(disk: DiskFile, report: Report): Contents | undefined {
  if (isLocked(disk)) return undefined;
  try {
    const table = readPartitionsSync(disk);
    const devices = openDevicesSync(disk);
    const filesystems = devices
      .filter(({ content, problem }) => content !== undefined || problem !== undefined)
      .map(describeDevice);
    const warnings = [
      ...(table?.warnings ?? []),
      ...devices.flatMap(({ volume }) => volume?.warnings ?? []),
    ];
    closeDevicesSync(devices);
    report.warnings(warnings);
    return { partitionTable: describeTable(table), filesystems, warnings };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    report.error(error);
    return undefined;
  }
}

/** Whether an image of the chain is encrypted, and its passphrase not known. */
export function isLocked(disk: DiskFile): boolean {
  return disk.info().some(({ details }) => {
    const { encryption } = details as { encryption?: { locked?: boolean } };
    return encryption?.locked === true;
  });
}

function describeTable(table: DiskPartitionTable | undefined): ContentsTable | null {
  if (table === undefined) return null;
  const { scheme, sectorBytes, diskId, details } = table;
  const partitions = table.partitions.map(({ open: _, ...partition }) => ({
    device: `/dev/sda${partition.number}`,
    ...partition,
  }));
  return { scheme, sectorBytes, diskId, partitions, details };
}

function describeDevice({ name, sizeBytes, content, volume, problem }: GuestDevice) {
  const usage = volume?.usage();
  const described: ContentsFilesystem = {
    device: name,
    type: content?.type ?? 'unknown',
    usage: content?.usage ?? 'unknown',
    label: content?.label ?? '',
    uuid: content?.uuid ?? '',
    sizeBytes,
    usedBytes:
      usage === undefined ? null : (usage.totalBlocks - usage.freeBlocks) * usage.blockBytes,
    availableBytes: usage === undefined ? null : usage.availableBlocks * usage.blockBytes,
    details: volume?.details() ?? null,
    problem: problem?.describe() ?? null,
  };
  return described;
}
