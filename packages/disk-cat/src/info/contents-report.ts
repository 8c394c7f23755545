/** Partitions and filesystems, for people. */
import { printable } from '@diskfile/command';
import { humanSize } from '../cli/sizes.ts';
import { type Column, tableLines } from '../cli/table.ts';
import type { Contents, ContentsFilesystem, ContentsTable } from './contents.ts';

export function contentsReport({ partitionTable, filesystems }: Contents): string[] {
  return [...partitionLines(partitionTable), ...filesystemLines(filesystems)];
}

const PARTITION_COLUMNS: readonly Column[] = [
  { title: 'device' },
  { title: 'start', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'type' },
  { title: 'name' },
  { title: 'flags' },
];

function partitionLines(table: ContentsTable | null): string[] {
  if (table === null) return ['partition table: none'];
  const { scheme, sectorBytes, diskId, partitions } = table;
  const id = diskId === '' ? '' : `, disk id ${diskId}`;
  const rows = partitions.map(
    ({ device, startBytes, lengthBytes, type, name, bootable, flags }) => [
      device,
      String(startBytes),
      humanSize(lengthBytes),
      type.name === 'unknown' ? type.id : type.name,
      orDash(name),
      orDash([...(bootable ? ['bootable'] : []), ...flags].join(', ')),
    ],
  );
  return [
    `partition table: ${scheme}, sectors of ${sectorBytes} bytes${id}`,
    ...indented(PARTITION_COLUMNS, rows),
  ];
}

const FILESYSTEM_COLUMNS: readonly Column[] = [
  { title: 'device' },
  { title: 'type' },
  { title: 'label' },
  { title: 'UUID' },
  { title: 'size', align: 'right' },
  { title: 'used', align: 'right' },
  { title: 'remarks' },
];

function filesystemLines(filesystems: readonly ContentsFilesystem[]): string[] {
  if (filesystems.length === 0) return ['filesystems: none'];
  const rows = filesystems.map((filesystem) => {
    const { device, type, label, uuid, sizeBytes, usedBytes, problem } = filesystem;
    const used = usedBytes === null ? '-' : humanSize(usedBytes);
    return [device, type, orDash(label), orDash(uuid), humanSize(sizeBytes), used, problem ?? ''];
  });
  return ['filesystems:', ...indented(FILESYSTEM_COLUMNS, rows)];
}

function indented(columns: readonly Column[], rows: readonly string[][]): string[] {
  const safe = rows.map((row) => row.map(printable));
  return tableLines(columns, safe).map((line) => `  ${line.trimEnd()}`);
}

function orDash(text: string): string {
  return text === '' ? '-' : text;
}
