/** `disk-info`: what an image is, and what is on it. */
import { DiskError, type DiskFile, openDiskFileSync } from 'diskfile';
import type { CommonOptions } from './cli/command-line.ts';
import { writeJson } from './cli/json.ts';
import { type Invocation, main } from './cli/main.ts';
import type { Report } from './cli/report.ts';
import { diskOptions, refuseStreams } from './guest/opening.ts';
import { type Contents, isLocked, readContents } from './info/contents.ts';
import { imageReport } from './info/image-report.ts';
import { contentsReport } from './info/contents-report.ts';

interface InfoOptions extends CommonOptions {
  readonly backing: boolean;
}

await main<InfoOptions>({
  name: 'disk-info',
  summary:
    'Describe a disk image: format, sizes, backing chain, snapshots, partitions, filesystems.',
  operands: [{ name: '<image...>', description: 'disk images or block devices' }],
  json: 'one JSON object for each image, and errors as JSON lines on standard error',
  notes: [
    'What is known is shown even where the backing file may not be opened (exit code 1) or the\n' +
      'content is encrypted.',
  ],
  examples: ['disk-info vm.qcow2', "disk-info --json vm.qcow2 | jq '.chain[].path'"],
  options: (command) => {
    command.option('--no-backing', 'look at the image alone, not at its backing files or content');
  },
  run,
});

async function run(invocation: Invocation<InfoOptions>): Promise<void> {
  const { operands, report } = invocation;
  for (const [index, image] of operands.entries()) {
    refuseStreams(image);
    await report.goingOn(() => describeImage(image, index === 0, invocation));
  }
}

async function describeImage(
  image: string,
  isFirst: boolean,
  { options, output, report }: Invocation<InfoOptions>,
): Promise<void> {
  const { disk, isWhole } = openAsFarAsPossible(image, options, report);
  try {
    const contents = isWhole ? readContents(disk, report) : undefined;
    report.warnings(disk.warnings);
    if (options.json) {
      writeJson(output, toJson(image, disk, contents));
      return;
    }
    const lines = [...imageReport(disk), ...contentsLines(disk, contents)];
    output.text(`${isFirst ? '' : '\n'}${lines.join('\n')}\n`);
  } finally {
    await disk.close();
  }
}

function contentsLines(disk: DiskFile, contents: Contents | undefined): string[] {
  if (contents !== undefined) return contentsReport(contents);
  return isLocked(disk) ? ['content: encrypted; --key-file opens it'] : [];
}

/** Without its backing files an image still tells what it is, but not what the guest sees. */
function openAsFarAsPossible(
  image: string,
  options: InfoOptions,
  report: Report,
): { disk: DiskFile; isWhole: boolean } {
  const alone = { ...diskOptions(options), backing: false };
  if (!options.backing) {
    const disk = openDiskFileSync(image, alone);
    return { disk, isWhole: disk.info()[0]!.backing === undefined };
  }
  try {
    return { disk: openDiskFileSync(image, diskOptions(options)), isWhole: true };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    // When it is the image itself that is at fault, this fails in the same way.
    const disk = openDiskFileSync(image, alone);
    report.error(error);
    return { disk, isWhole: false };
  }
}

/** The fields are described in the README. */
function toJson(image: string, disk: DiskFile, contents: Contents | undefined) {
  const chain = disk.info();
  return {
    path: image,
    format: disk.format,
    virtualSizeBytes: disk.sizeBytes,
    allocatedBytes: disk.physicalSizeBytes(),
    chain,
    partitionTable: contents?.partitionTable ?? null,
    filesystems: contents?.filesystems ?? null,
    warnings: [...disk.warnings, ...(contents?.warnings ?? [])],
  };
}
