/** `disk-cp`: files of a guest, copied to the host. */
import { DiskError, type Guest } from 'diskfile';
import { guestOptions, type GuestOptions } from './cli/command-line.ts';
import { UsageError } from './cli/failure.ts';
import { writeJson } from './cli/json.ts';
import { type Invocation, main } from './cli/main.ts';
import {
  type Progress,
  type ProgressOptions,
  progressOptions,
  startProgress,
} from './cli/progress.ts';
import type { Report } from './cli/report.ts';
import { HostWriter } from './cp/host-writer.ts';
import { SignalWatch } from './cp/interrupt.ts';
import { Destination, groupByImage, parseSource } from './cp/operands.ts';
import { type CopyCounts, TreeCopy } from './cp/tree-copy.ts';
import { withGuest } from './guest/opening.ts';
import { warnOfSkippedMounts } from './guest/skipped-mounts.ts';

interface CpOptions extends GuestOptions, ProgressOptions {
  readonly recursive: boolean;
  readonly archive: boolean;
  readonly preserve: boolean;
  readonly owner: boolean;
}

await main<CpOptions>({
  name: 'disk-cp',
  summary: 'Copy files of the guest on a disk image to the host.',
  usage: '[options] IMAGE:/PATH... DEST',
  operands: [
    {
      name: '<operands...>',
      description: 'files in images, then a directory of the host or the name of the copy',
    },
  ],
  json: 'counts of what was copied as JSON, and errors as JSON lines on standard error',
  notes: [
    'A link given as a source is followed, unless -r or -a is; below a directory links are copied as\n' +
      'links. Nothing is written outside of DEST: a symbolic link that stands in the way is replaced\n' +
      'or refused, never followed. Existing files are replaced once their copy is complete. Device\n' +
      'nodes, fifos and sockets are left out, extended attributes too: for these use disk-tar.',
  ],
  examples: [
    'disk-cp vm.qcow2:/etc/passwd .',
    'disk-cp -a vm.qcow2:/var/log vm.qcow2:/etc rescued/',
  ],
  options: (command) => {
    command
      .option('-r, --recursive', 'directories with all below them', false)
      .option('-a, --archive', 'as -r and -p, and hard links stay hard links', false)
      .option('-p, --preserve', 'keep permissions (without set-uid and set-gid) and times', false)
      .option('--owner', 'keep owner, set-uid and set-gid as well, which takes root', false);
    progressOptions(command);
    guestOptions(command);
  },
  run,
});

async function run({ operands, options, output, report }: Invocation<CpOptions>): Promise<void> {
  const sources = operands.slice(0, -1).map(parseSource);
  if (sources.length === 0) throw new UsageError('give IMAGE:/PATH and where to copy it');
  const destination = new Destination(operands.at(-1)!, sources.length);
  const counts = { files: 0, directories: 0, symlinks: 0, hardLinks: 0, leftOut: 0, bytes: 0 };
  const watch = new SignalWatch();
  try {
    for (const [image, paths] of groupByImage(sources)) {
      await withGuest(image, options, report, async (guest) => {
        const job: CopyJob = { guest, paths, destination, options, report, counts };
        const progress = await startProgress(options, () => totalBytes(job));
        try {
          await copyAll(job, watch, progress);
        } finally {
          progress.stop();
        }
      });
    }
  } finally {
    watch.stop();
  }
  if (options.json) writeJson(output, counts);
}

interface CopyJob {
  readonly guest: Guest;
  readonly paths: readonly string[];
  readonly destination: Destination;
  readonly options: CpOptions;
  readonly report: Report;
  readonly counts: CopyCounts;
}

async function copyAll(job: CopyJob, watch: SignalWatch, progress: Progress): Promise<void> {
  const { guest, destination, options, report, counts } = job;
  const { fileSystem } = guest;
  const { archive, owner } = options;
  const check = (): Promise<void> => watch.check();
  const attributes = archive || options.preserve;
  const writer = new HostWriter({ attributes: attributes || owner, owner }, check);
  const copy = new TreeCopy({
    writer,
    report,
    counts,
    hardLinks: archive,
    check,
    onBytes: (lengthBytes) => progress.add(lengthBytes),
  });
  for (const path of job.paths) {
    const recursive = archive || options.recursive;
    warnOfSkippedMounts(guest, path, report, recursive);
    try {
      const place = destination.placeOf(path);
      if (recursive) await copy.tree(fileSystem, path, place);
      else if (fileSystem.statSync(path).type === 'directory') throw directoryOmitted(path);
      else await copy.file(fileSystem, path, place);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      report.error(error);
    }
  }
}

function directoryOmitted(guestPath: string): DiskError {
  return new DiskError('invalid-argument', 'cp.is-a-directory', 'It is a directory', {
    op: 'copy',
    guestPath,
    hint: 'Copy it with -r or -a.',
  });
}

function totalBytes({ guest, paths, options }: CopyJob): number {
  let total = 0;
  const { fileSystem } = guest;
  for (const path of paths) {
    try {
      if (!options.archive && !options.recursive) {
        total += fileSystem.statSync(path).sizeBytes;
        continue;
      }
      for (const { stats } of fileSystem.walkSync(path, { onError: () => undefined })) {
        if (stats.type === 'file') total += stats.sizeBytes;
      }
    } catch (error) {
      // The copy itself will say so.
      if (!(error instanceof DiskError)) throw error;
    }
  }
  return total;
}
