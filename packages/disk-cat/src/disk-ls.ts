/** `disk-ls`: files of a guest, listed. */
import { type Command, Option } from 'commander';
import { DiskError, type Guest } from 'diskfile';
import { guestOptions, type GuestOptions } from './cli/command-line.ts';
import { UsageError } from './cli/failure.ts';
import { JsonArray } from './cli/json.ts';
import { type Invocation, main } from './cli/main.ts';
import { csvLine } from './cli/table.ts';
import { NUMERIC_ACCOUNTS, readAccounts } from './guest/accounts.ts';
import { filesystemOf } from './guest/filesystem-of.ts';
import { withGuest } from './guest/opening.ts';
import { warnOfSkippedMounts } from './guest/skipped-mounts.ts';
import type { TimeStyle } from './guest/times.ts';
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, Checksummer } from './ls/checksum.ts';
import { fileToJson } from './ls/json-file.ts';
import { type ListedFile, Listing } from './ls/listing.ts';
import { longLines } from './ls/long-lines.ts';
import { recordColumns, recordLine } from './ls/record-columns.ts';

interface LsOptions extends GuestOptions {
  readonly long: boolean;
  readonly recursive: boolean;
  readonly all: boolean;
  readonly directory: boolean;
  readonly humanReadable: boolean;
  readonly numericUidGid: boolean;
  readonly fullTime: boolean;
  readonly csv: boolean;
  readonly checksum?: ChecksumAlgorithm;
  readonly uids: boolean;
  readonly times: boolean;
  readonly timeT: boolean;
  readonly timeDays: boolean;
  readonly timeRelative: boolean;
  readonly extraStats: boolean;
}

await main<LsOptions>({
  name: 'disk-ls',
  summary: 'List files of the guest on a disk image.',
  operands: [
    { name: '<image>', description: 'disk image or block device' },
    { name: '<path...>', description: 'files or directories in the guest' },
  ],
  json: 'a JSON array of files, and errors as JSON lines on standard error',
  notes: [
    'A recursive listing (-R) always has the names that begin with a dot. Together, -lR prints\n' +
      'type, mode, size and path, one file a line; see --uids, --times, --extra-stats, --checksum.\n' +
      'Names are printed as their bytes, or escaped on a terminal. For programs: --json or --csv.',
  ],
  examples: [
    'disk-ls -l vm.qcow2 /etc',
    'disk-ls -lR --checksum sha256 vm.qcow2 /',
    "disk-ls --json -R vm.qcow2 /home | jq -r '.[] | select(.sizeBytes > 1e7) | .path'",
  ],
  options: lsOptions,
  prepare: completeChecksum,
  run,
});

function lsOptions(command: Command): void {
  command
    .option('-l, --long', 'mode, links, owner, size and time as well', false)
    .option('-R, --recursive', 'all that is below, too', false)
    .option('-a, --all', 'also names that begin with a dot (but not . and ..)', false)
    .option('-d, --directory', 'directories themselves, not what is in them', false)
    .option('-h, --human-readable', 'sizes like 1.5K and 66M', false)
    .option('-n, --numeric-uid-gid', 'owners as numbers in -l', false)
    .option('--full-time', 'times with nanoseconds and zone', false)
    .addOption(
      new Option(
        '--checksum <algorithm>',
        'checksums of regular files: md5, sha1, sha224, sha256 (if none is named), sha384, sha512',
      ).choices(CHECKSUM_ALGORITHMS),
    )
    .option('--csv', 'comma-separated values with a line of titles', false)
    .option('--uids', 'in -lR and --csv: uid and gid', false)
    .option('--times', 'in -lR and --csv: times of access, modification and change', false)
    .option('--time-t', 'these times in seconds since 1970', false)
    .option('--time-days', 'these times in days before now', false)
    .option('--time-relative', 'these times in seconds before now', false)
    .option('--extra-stats', 'in -lR and --csv: device, inode, links, rdev, blocks', false);
  guestOptions(command);
}

/** `--checksum` may stand alone, and the image that follows is no algorithm then. */
function completeChecksum(args: readonly string[]): string[] {
  const known: readonly string[] = CHECKSUM_ALGORITHMS;
  return args.flatMap((arg, index) => {
    const alone = arg === '--checksum' && !known.includes(args[index + 1] ?? '');
    return alone ? [arg, 'sha256'] : [arg];
  });
}

async function run(invocation: Invocation<LsOptions>): Promise<void> {
  const { options, output, report } = invocation;
  const [image = '', ...paths] = invocation.operands;
  const { long, recursive, json, csv } = options;
  if (options.checksum !== undefined && !json && !csv && !(long && recursive)) {
    throw new UsageError('--checksum needs -lR, --csv or --json');
  }
  if (json && csv) throw new UsageError('--json and --csv exclude each other');
  await withGuest(image, options, report, async (guest) => {
    const writer = writerFor(guest, invocation);
    for (const path of paths) {
      warnOfSkippedMounts(guest, path, report, recursive);
      try {
        writer.list(path);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        report.error(error);
      }
    }
    writer.end?.();
    output.flush();
  });
}

/** One way of printing what operands stand for. */
interface ListingWriter {
  list(operand: string): void;
  end?(): void;
}

function writerFor(guest: Guest, invocation: Invocation<LsOptions>): ListingWriter {
  const { options, report } = invocation;
  const { checksum } = options;
  const checksummer = checksum === undefined ? undefined : new Checksummer(checksum);
  const { recursive, all, directory: directoryItself } = options;
  const listing = new Listing(guest, { recursive, all, directoryItself }, report, checksummer);
  if (options.json) return jsonWriter(listing, guest, invocation);
  if (options.csv || (options.long && recursive)) return recordWriter(listing, guest, invocation);
  return options.long ? longWriter(listing, guest, invocation) : nameWriter(listing, invocation);
}

function jsonWriter(listing: Listing, guest: Guest, invocation: Invocation<LsOptions>) {
  const { options, output } = invocation;
  const array = new JsonArray(output);
  return {
    list(operand: string) {
      for (const file of listing.files(operand)) {
        array.add(fileToJson(file, filesystemOf(guest, file.path), options.checksum));
      }
    },
    end: () => array.end(),
  };
}

function recordWriter(listing: Listing, guest: Guest, invocation: Invocation<LsOptions>) {
  const { options, output } = invocation;
  const columns = recordColumns({
    human: options.humanReadable,
    uids: options.uids,
    timeStyle: recordTimeStyle(options),
    extraStats: options.extraStats,
    checksum: options.checksum !== undefined,
    deviceOf: (path) => filesystemOf(guest, path),
  });
  if (options.csv) {
    output.text(`${csvLine([...columns.map(({ title }) => title), 'path', 'target'])}\n`);
  }
  const lineOf = (file: ListedFile): string =>
    options.csv
      ? csvLine([...columns.map((column) => column.text(file)), file.path, file.target ?? ''])
      : recordLine(columns, file);
  return {
    list(operand: string) {
      for (const file of listing.files(operand)) output.line(lineOf(file));
    },
  };
}

function recordTimeStyle(options: LsOptions): TimeStyle | undefined {
  if (options.timeT) return 'epoch';
  if (options.timeDays) return 'days';
  if (options.timeRelative) return 'relative';
  if (options.fullTime) return 'full';
  return options.times ? 'seconds' : undefined;
}

function longWriter(listing: Listing, guest: Guest, invocation: Invocation<LsOptions>) {
  const { options, output } = invocation;
  const accounts = options.numericUidGid ? NUMERIC_ACCOUNTS : readAccounts(guest.fileSystem);
  const timeStyle: TimeStyle = options.fullTime ? 'full' : 'minutes';
  return {
    list(operand: string) {
      const files = [...listing.files(operand)];
      if (listing.directory(operand) !== undefined) {
        const bytes = files.reduce((sum, { stats }) => sum + stats.allocatedBytes, 0);
        output.text(`total ${Math.ceil(bytes / 1024)}\n`);
      }
      const lines = longLines(files, { human: options.humanReadable, accounts, timeStyle });
      for (const line of lines) output.line(line);
    },
  };
}

function nameWriter(listing: Listing, { options, output }: Invocation<LsOptions>) {
  return {
    list(operand: string) {
      const directory = listing.directory(operand);
      if (directory === undefined) output.line(operand);
      else if (!options.recursive) for (const name of listing.names(directory)) output.line(name);
      else {
        for (const { name } of listing.files(operand)) if (name !== '') output.line(name);
      }
    },
  };
}
