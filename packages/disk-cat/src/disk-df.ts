/** `disk-df`: how full the filesystems on an image are. */
import { basename } from 'node:path';
import {
  closeDevicesSync,
  type DiskFile,
  type GuestDevice,
  openDevicesSync,
  readPartitionsSync,
} from 'diskfile';
import type { CommonOptions } from './cli/command-line.ts';
import { UsageError } from './cli/failure.ts';
import { writeJson } from './cli/json.ts';
import { type Invocation, main } from './cli/main.ts';
import type { Report } from './cli/report.ts';
import { humanSize } from './cli/sizes.ts';
import { type Column, csvLine, tableLines } from './cli/table.ts';
import { reportDevices } from './guest/device-report.ts';
import { withDisk } from './guest/opening.ts';

interface DfOptions extends CommonOptions {
  readonly humanReadable: boolean;
  readonly inodes: boolean;
  readonly csv: boolean;
}

await main<DfOptions>({
  name: 'disk-df',
  summary: 'Show how full the filesystems on disk images are.',
  operands: [{ name: '<image...>', description: 'disk images or block devices' }],
  json: 'a JSON array of filesystems, and errors as JSON lines on standard error',
  notes: [
    'The numbers are those that df would show in the guest. Filesystems that are recognised but\n' +
      'cannot be read yet are listed without numbers.',
  ],
  examples: ['disk-df -h vm.qcow2', 'disk-df -i --csv *.qcow2'],
  options: (command) => {
    command
      .option('-h, --human-readable', 'sizes like 1.5K and 66M', false)
      .option('-i, --inodes', 'inodes instead of blocks', false)
      .option('--csv', 'comma-separated values with a line of titles', false);
  },
  run,
});

/** One filesystem; undefined numbers where it cannot be read. */
interface Usage {
  readonly image: string;
  readonly device: string;
  readonly type: string;
  readonly total: number | undefined;
  readonly used: number | undefined;
  readonly available: number | undefined;
}

async function run({ operands, options, output, report }: Invocation<DfOptions>): Promise<void> {
  const { csv, json, humanReadable } = options;
  if (csv && humanReadable) throw new UsageError('--csv and --human-readable exclude each other');
  if (csv && json) throw new UsageError('--json and --csv exclude each other');
  const rows: Usage[] = [];
  for (const image of operands) {
    await report.goingOn(() =>
      withDisk(image, options, report, async (disk) => {
        for (const device of devicesOf(disk, report)) {
          rows.push(options.inodes ? inodeUsage(image, device) : byteUsage(image, device));
        }
      }),
    );
  }
  if (json) {
    writeJson(
      output,
      rows.map((row) => usageToJson(row, options)),
    );
  } else if (rows.length === 0 && report.failed) {
    // A title with nothing below would look like an answer.
  } else if (csv) {
    output.line(csvLine(['Image', 'Filesystem', ...titles(options)]));
    for (const row of rows) output.line(csvLine([row.image, row.device, ...cells(row, options)]));
  } else {
    const columns: Column[] = [
      { title: 'Filesystem' },
      ...titles(options).map((title) => ({ title, align: 'right' as const })),
    ];
    const lines = rows.map((row) => [
      `${basename(row.image)}:${row.device}`,
      ...cells(row, options),
    ]);
    for (const line of tableLines(columns, lines)) output.line(line);
  }
}

/** What is on the disk, closed again: the numbers have been read on mounting. */
function devicesOf(disk: DiskFile, report: Report): GuestDevice[] {
  report.warnings(readPartitionsSync(disk)?.warnings ?? []);
  const devices = openDevicesSync(disk);
  reportDevices(devices, report);
  closeDevicesSync(devices);
  return devices.filter(({ content }) => content?.usage === 'filesystem');
}

function byteUsage(image: string, { name, content, volume }: GuestDevice): Usage {
  const base = { image, device: name, type: content!.type };
  if (volume === undefined) {
    return { ...base, total: undefined, used: undefined, available: undefined };
  }
  const { blockBytes, totalBlocks, freeBlocks, availableBlocks } = volume.usage();
  return {
    ...base,
    total: totalBlocks * blockBytes,
    used: (totalBlocks - freeBlocks) * blockBytes,
    available: availableBlocks * blockBytes,
  };
}

function inodeUsage(image: string, { name, content, volume }: GuestDevice): Usage {
  const usage = volume?.usage();
  return {
    image,
    device: name,
    type: content!.type,
    total: usage?.totalInodes,
    used: usage === undefined ? undefined : usage.totalInodes - usage.freeInodes,
    available: usage?.freeInodes,
  };
}

function titles({ inodes, humanReadable }: DfOptions): string[] {
  if (inodes) return ['Inodes', 'IUsed', 'IFree', 'IUse%'];
  return [humanReadable ? 'Size' : '1K-blocks', 'Used', 'Available', 'Use%'];
}

function cells({ total, used, available }: Usage, options: DfOptions): string[] {
  const { inodes, humanReadable } = options;
  const text = (value: number | undefined): string => {
    if (value === undefined) return '-';
    if (humanReadable) return humanSize(value);
    return String(inodes ? value : Math.floor(value / 1024));
  };
  const percent = usedPercent(used, available);
  return [text(total), text(used), text(available), percent === undefined ? '-' : `${percent}%`];
}

/** As df counts: of what ordinary users can fill, rounded up. */
function usedPercent(used: number | undefined, available: number | undefined): number | undefined {
  if (used === undefined || available === undefined || used + available === 0) return undefined;
  return Math.ceil((used * 100) / (used + available));
}

function usageToJson({ image, device, type, total, used, available }: Usage, options: DfOptions) {
  const unit = options.inodes ? 'Inodes' : 'Bytes';
  const entries = Object.entries({ total, used, available }).map(
    ([name, value]) => [`${name}${unit}`, value ?? null] as const,
  );
  return { image, device, type, ...Object.fromEntries(entries) };
}
