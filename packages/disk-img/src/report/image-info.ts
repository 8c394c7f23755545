/** What an image says of itself, for people and as JSON. */
import { formatName, formatSpecific, formatSpecificText, type JsonValue } from '@diskfile/command';
import type { ImageInfo, SnapshotInfo } from 'diskfile';
import { backingPath } from '../images/backing-path.ts';
import type { ReadInfo } from '../images/read-info.ts';
import { PLAIN_INFO_FORMATS } from '../words/format-names.ts';
import { sizeText } from './size.ts';
import { snapshotTable } from './snapshot-table.ts';

export function humanInfo(info: ReadInfo): string {
  const { path, virtualSizeBytes, allocatedBytes, clusterBytes, backing, snapshots, shown } = info;
  const format = formatName(info.format);
  const lines = [
    `image: ${shown?.filename ?? path}`,
    `file format: ${format}`,
    `virtual size: ${sizeText(virtualSizeBytes)} (${virtualSizeBytes} bytes)`,
    `disk size: ${shown?.hasHostSize === false ? 'unavailable' : sizeText(allocatedBytes)}`,
  ];
  if (isEncrypted(info)) lines.push('encrypted: yes');
  if (hasClusters(info)) lines.push(`cluster_size: ${clusterBytes}`);
  if (isDirty(info)) lines.push('cleanly shut down: no');
  if (backing !== undefined) lines.push(...backingLines(info, backing));
  const list = snapshots.length === 0 ? '' : `Snapshot list:\n${snapshotTable(snapshots)}`;
  return `${lines.map((line) => `${line}\n`).join('')}${list}${formatSpecificText(info)}`;
}

function backingLines(info: ReadInfo, { name, format }: NonNullable<ImageInfo['backing']>) {
  const full = fullBacking(info, name);
  const actual = full === name ? '' : ` (${full === undefined ? NO_PATH : `actual path: ${full}`})`;
  const line = `backing file: ${name}${actual}`;
  return format === undefined ? [line] : [line, `backing file format: ${format}`];
}

const NO_PATH = 'cannot determine actual path';

/** Undefined where nobody knows where relative names begin. */
function fullBacking({ path, shown }: ReadInfo, name: string): string | undefined {
  if (shown?.hasDirectory === false && !/^(?:\/|[^:/]*:)/.test(name)) return undefined;
  return backingPath(path, name);
}

export function jsonInfo(info: ReadInfo): JsonValue {
  const { path, virtualSizeBytes, allocatedBytes, clusterBytes, backing, snapshots, shown } = info;
  const isPlain = PLAIN_INFO_FORMATS.has(formatName(info.format)) || shown?.hasMarks === false;
  return {
    'virtual-size': virtualSizeBytes,
    filename: shown?.filename ?? path,
    format: formatName(info.format),
    'actual-size': shown?.hasHostSize === false ? undefined : allocatedBytes,
    encrypted: isEncrypted(info) ? true : undefined,
    'cluster-size': hasClusters(info) ? clusterBytes : undefined,
    'dirty-flag': isPlain ? undefined : isDirty(info),
    'backing-filename': backing?.name,
    'full-backing-filename': backing === undefined ? undefined : fullBacking(info, backing.name),
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
