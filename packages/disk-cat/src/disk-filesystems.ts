/** `disk-filesystems`: filesystems, partitions and disks of an image. */
import { printable } from '@diskfile/command';
import { closeDevicesSync, openDevicesSync, readPartitionsSync } from 'diskfile';
import type { CommonOptions } from './cli/command-line.ts';
import { UsageError } from './cli/failure.ts';
import { writeJson } from './cli/json.ts';
import { type Invocation, main } from './cli/main.ts';
import { humanSize } from './cli/sizes.ts';
import { type Column, csvLine, tableLines } from './cli/table.ts';
import { type DeviceRow, deviceRows, type RowKinds } from './filesystems/device-rows.ts';
import { reportDevices } from './guest/device-report.ts';
import { withDisk } from './guest/opening.ts';

interface FilesystemsOptions extends CommonOptions {
  readonly long: boolean;
  readonly all: boolean;
  readonly filesystems: boolean;
  readonly extra: boolean;
  readonly partitions: boolean;
  readonly blockDevices: boolean;
  readonly uuid: boolean;
  readonly humanReadable: boolean;
  readonly title: boolean;
  readonly csv: boolean;
}

await main<FilesystemsOptions>({
  name: 'disk-filesystems',
  summary: 'List the filesystems, partitions and disks in a disk image.',
  operands: [{ name: '<image>', description: 'disk image or block device' }],
  json: 'a JSON array with every column, and errors as JSON lines on standard error',
  notes: ['Names are those that a guest with one disk would use, and those that -m takes.'],
  examples: ['disk-filesystems vm.qcow2', 'disk-filesystems --all --long --uuid -h vm.qcow2'],
  options: (command) => {
    command
      .option('-l, --long', 'a table: type, VFS, label, MBR type, size, parent', false)
      .option('-a, --all', 'everything: --filesystems --extra --partitions --block-devices', false)
      .option('--filesystems', 'filesystems that can be mounted (the default)', false)
      .option('--extra', 'filesystems, and also swap, containers and unknown content', false)
      .option('--partitions', 'partitions, whatever they hold', false)
      .option('--block-devices', 'whole disks', false)
      .option('--uuid', 'UUIDs as well in the table', false)
      .option('-h, --human-readable', 'sizes like 1.5K and 66M', false)
      .option('--no-title', 'leave out the line of titles')
      .option('--csv', 'comma-separated values', false);
  },
  run,
});

async function run(invocation: Invocation<FilesystemsOptions>): Promise<void> {
  const { options, output, report } = invocation;
  const [image = ''] = invocation.operands;
  const { csv, json, long, humanReadable } = options;
  if (csv && json) throw new UsageError('--json and --csv exclude each other');
  if (csv && humanReadable) throw new UsageError('--csv and --human-readable exclude each other');
  const rows = await withDisk(image, options, report, async (disk) => {
    const table = readPartitionsSync(disk);
    report.warnings(table?.warnings ?? []);
    const devices = openDevicesSync(disk);
    reportDevices(devices, report);
    closeDevicesSync(devices);
    return deviceRows(disk, table, devices, kindsOf(options));
  });
  if (json) {
    writeJson(output, rows);
    return;
  }
  const columns = columnsOf(options);
  const cells = rows.map((row) => columns.map(({ text }) => text(row)));
  if (csv) {
    if (options.title) output.line(csvLine(columns.map(({ title }) => title)));
    for (const row of cells) output.line(csvLine(row));
  } else if (long) {
    const shown = cells.map((row) => row.map((cell) => (cell === '' ? '-' : printable(cell))));
    for (const line of tableLines(columns, shown, { titles: options.title })) output.line(line);
  } else {
    for (const { name } of rows) output.line(name);
  }
}

function kindsOf(options: FilesystemsOptions): RowKinds {
  const { all, filesystems, extra, partitions, blockDevices } = options;
  const none = !all && !filesystems && !extra && !partitions && !blockDevices;
  return {
    filesystems: all || filesystems || extra || none,
    extra: all || extra,
    partitions: all || partitions,
    blockDevices: all || blockDevices,
  };
}

interface RowColumn extends Column {
  text(row: DeviceRow): string;
}

function columnsOf({ long, uuid, humanReadable }: FilesystemsOptions): RowColumn[] {
  const name: RowColumn = { title: 'Name', text: (row) => row.name };
  if (!long) return [name];
  const columns: RowColumn[] = [
    name,
    { title: 'Type', text: (row) => row.type },
    { title: 'VFS', text: (row) => row.vfs ?? '' },
    { title: 'Label', text: (row) => row.label ?? '' },
    { title: 'MBR', text: (row) => row.mbr ?? '' },
    {
      title: 'Size',
      align: 'right',
      text: ({ sizeBytes }) => (humanReadable ? humanSize(sizeBytes) : String(sizeBytes)),
    },
    { title: 'Parent', text: (row) => row.parent ?? '' },
  ];
  if (uuid) columns.push({ title: 'UUID', text: (row) => row.uuid ?? '' });
  return columns;
}
