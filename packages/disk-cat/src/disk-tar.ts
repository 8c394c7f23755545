/** `disk-tar`: a part of a guest's tree as a tar archive on standard output. */
import { DiskError, type Guest, type TreeEntry } from 'diskfile';
import { guestOptions, type GuestOptions } from './cli/command-line.ts';
import { UsageError } from './cli/failure.ts';
import { type Invocation, main } from './cli/main.ts';
import { type ProgressOptions, progressOptions, startProgress } from './cli/progress.ts';
import type { Report } from './cli/report.ts';
import { withGuest } from './guest/opening.ts';
import { warnOfSkippedMounts } from './guest/skipped-mounts.ts';
import { TarWriter } from './tar/tar-writer.ts';

interface TarOptions extends GuestOptions, ProgressOptions {
  readonly oneFileSystem: boolean;
}

await main<TarOptions>({
  name: 'disk-tar',
  summary: 'Write files of the guest on a disk image as a tar archive to standard output.',
  operands: [
    { name: '<image>', description: 'disk image or block device' },
    { name: '<path...>', description: 'files or directories in the guest, with all below them' },
  ],
  json: 'errors and warnings as JSON lines on standard error',
  notes: [
    'Members are named by their path in the guest without the leading slash. The archive is in pax\n' +
      'format: modes, owners, links, device nodes, times to the nanosecond, holes of sparse files,\n' +
      'extended attributes and, among these, ACLs. Extract all of it as root with\n' +
      "tar --numeric-owner --xattrs --xattrs-include='*' -xpf. Sockets are left out.",
  ],
  examples: ['disk-tar vm.qcow2 /etc > etc.tar', 'disk-tar vm.qcow2 /home | tar -tvf -'],
  options: (command) => {
    command.option('--one-file-system', 'stay on the filesystem of each path', false);
    progressOptions(command);
    guestOptions(command);
  },
  run,
});

async function run(invocation: Invocation<TarOptions>): Promise<void> {
  const { options, output, report } = invocation;
  const [image = '', ...paths] = invocation.operands;
  if (output.isTerminal) {
    throw new UsageError('an archive is nothing for a terminal; send it to a file or a program');
  }
  await withGuest(image, options, report, async (guest) => {
    for (const path of paths) warnOfSkippedMounts(guest, path, report, true);
    const entries = (reportTo?: Report) => walkAll(guest, paths, options, reportTo);
    const progress = await startProgress(options, () => {
      let totalBytes = 0;
      for (const { stats } of entries()) if (stats.type === 'file') totalBytes += stats.sizeBytes;
      return totalBytes;
    });
    try {
      const writer = new TarWriter(output, report, (bytes) => progress.add(bytes));
      for (const entry of entries(report)) writer.add(entry);
      writer.end();
    } finally {
      progress.stop();
    }
  });
}

function* walkAll(
  { fileSystem }: Guest,
  paths: readonly string[],
  { oneFileSystem }: TarOptions,
  report: Report | undefined,
): Generator<TreeEntry> {
  for (const path of paths) {
    try {
      yield* fileSystem.walkSync(path, {
        crossMounts: !oneFileSystem,
        onError: (error) => report?.error(error),
      });
    } catch (error) {
      // A path that leads nowhere; the archive of the others is still whole.
      if (!(error instanceof DiskError)) throw error;
      report?.error(error);
    }
  }
}
