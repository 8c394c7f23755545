/** What an image says of itself, for people and as JSON. */
import { formatName, formatSpecific, formatSpecificText, type JsonValue } from '@diskfile/command';
import type { ImageInfo, SnapshotInfo } from 'diskfile';
import { backingPath } from '../images/backing-path.ts';
import { PLAIN_INFO_FORMATS } from '../words/format-names.ts';
import { sizeText } from './size.ts';
import { snapshotTable } from './snapshot-table.ts';

export function humanInfo(info: ImageInfo): string {
  const { path, virtualSizeBytes, allocatedBytes, clusterBytes, backing, snapshots } = info;
  const format = formatName(info.format);
  const lines = [
    `image: ${path}`,
    `file format: ${format}`,
    `virtual size: ${sizeText(virtualSizeBytes)} (${virtualSizeBytes} bytes)`,
    `disk size: ${sizeText(allocatedBytes)}`,
  ];
  if (isEncrypted(info)) lines.push('encrypted: yes');
  if (hasClusters(info)) lines.push(`cluster_size: ${clusterBytes}`);
  if (isDirty(info)) lines.push('cleanly shut down: no');
  if (backing !== undefined) lines.push(...backingLines(info, backing));
  const list = snapshots.length === 0 ? '' : `Snapshot list:\n${snapshotTable(snapshots)}`;
  return `${lines.map((line) => `${line}\n`).join('')}${list}${formatSpecificText(info)}`;
}

function backingLines({ path }: ImageInfo, { name, format }: NonNullable<ImageInfo['backing']>) {
  const full = backingPath(path, name);
  const actual = full === name ? '' : ` (actual path: ${full})`;
  const line = `backing file: ${name}${actual}`;
  return format === undefined ? [line] : [line, `backing file format: ${format}`];
}

export function jsonInfo(info: ImageInfo): JsonValue {
  const { path, virtualSizeBytes, allocatedBytes, clusterBytes, backing, snapshots } = info;
  const isPlain = PLAIN_INFO_FORMATS.has(formatName(info.format));
  return {
    'virtual-size': virtualSizeBytes,
    filename: path,
    format: formatName(info.format),
    'actual-size': allocatedBytes,
    encrypted: isEncrypted(info) ? true : undefined,
    'cluster-size': hasClusters(info) ? clusterBytes : undefined,
    'dirty-flag': isPlain ? undefined : isDirty(info),
    'backing-filename': backing?.name,
    'full-backing-filename': backing === undefined ? undefined : backingPath(path, backing.name),
    'backing-filename-format': backing?.format,
    snapshots: snapshots.length === 0 ? undefined : snapshots.map(snapshotJson),
    'format-specific': formatSpecific(info),
  };
}

export function snapshotJson(snapshot: SnapshotInfo): JsonValue {
  const { id, name, vmStateBytes, date, vmClockNanoseconds, icount } = snapshot;
  return {
    id,
    name,
    'vm-state-size': vmStateBytes,
    'date-sec': date.seconds,
    'date-nsec': date.nanoseconds,
    'vm-clock-sec': Math.floor(vmClockNanoseconds / 1e9),
    'vm-clock-nsec': vmClockNanoseconds % 1e9,
    icount,
  };
}

function isEncrypted({ details, format }: ImageInfo): boolean {
  return format === 'luks' || details['encryption'] !== undefined;
}

/** QEMU's driver of QED does not tell. */
function isDirty({ details, format }: ImageInfo): boolean {
  return format !== 'qed' && details['dirty'] === true;
}

function hasClusters({ clusterBytes, format }: ImageInfo): boolean {
  return clusterBytes > 1 && !PLAIN_INFO_FORMATS.has(formatName(format));
}
