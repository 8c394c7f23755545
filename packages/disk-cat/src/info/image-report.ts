/** An image and its backing chain, for people. */
import { printable } from '@diskfile/command';
import type { BitmapInfo, DiskFile, ImageInfo, SnapshotInfo } from 'diskfile';
import { exactSize, humanSize } from '../cli/sizes.ts';
import { tableLines } from '../cli/table.ts';
import { isoTime } from '../guest/times.ts';
import { detailLines, fieldLine } from './fields.ts';

export function imageReport(disk: DiskFile): string[] {
  return disk
    .info()
    .flatMap((image, depth) => [
      depth === 0
        ? `image: ${printable(image.path)}`
        : `backing image ${depth}: ${printable(image.path)}`,
      ...imageFields(image),
      ...snapshotLines(image.snapshots),
      ...bitmapLines(image.bitmaps),
    ]);
}

function imageFields(image: ImageInfo): string[] {
  const { format, virtualSizeBytes, allocatedBytes, clusterBytes, backing, details } = image;
  const lines = [
    fieldLine('format', format),
    fieldLine('virtual size', exactSize(virtualSizeBytes)),
    fieldLine('size on the host', exactSize(allocatedBytes)),
  ];
  if (clusterBytes > 1) lines.push(fieldLine('cluster size', exactSize(clusterBytes)));
  if (backing !== undefined) {
    const kind = backing.format === undefined ? '' : ` (${backing.format})`;
    lines.push(fieldLine('backing file', `${backing.name}${kind}`));
  }
  return [...lines, ...detailLines(details)];
}

function snapshotLines(snapshots: readonly SnapshotInfo[]): string[] {
  if (snapshots.length === 0) return [];
  const columns = [
    { title: 'id' },
    { title: 'name' },
    { title: 'date' },
    { title: 'disk', align: 'right' as const },
    { title: 'VM state', align: 'right' as const },
  ];
  const rows = snapshots.map(({ id, name, date, diskSizeBytes, vmStateBytes }) => [
    printable(id),
    printable(name),
    isoTime({ seconds: date.seconds, nanoseconds: 0 }).replace(/\..*/, 'Z'),
    humanSize(diskSizeBytes),
    humanSize(vmStateBytes),
  ]);
  return ['  snapshots:', ...tableLines(columns, rows).map((line) => `    ${line}`)];
}

function bitmapLines(bitmaps: readonly BitmapInfo[]): string[] {
  if (bitmaps.length === 0) return [];
  const columns = [
    { title: 'name' },
    { title: 'granularity', align: 'right' as const },
    { title: 'flags' },
  ];
  const rows = bitmaps.map(({ name, granularityBytes, flags }) => [
    printable(name),
    humanSize(granularityBytes),
    flags.length === 0 ? '-' : flags.join(', '),
  ]);
  return ['  bitmaps:', ...tableLines(columns, rows).map((line) => `    ${line}`)];
}
