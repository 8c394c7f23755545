/** `snapshot`: lists, makes, applies and deletes internal snapshots. */
import {
  hostErrorText,
  jsonText,
  numberedHostError,
  requestReason,
  wordsOf,
} from '@diskfile/command';
import { DiskError, type DiskFile } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage, warnOfRaw, withDisk } from '../images/open-image.ts';
import { Failure, type Program, usage } from '../program.ts';
import { snapshotJson } from '../report/image-info.ts';
import { snapshotTable } from '../report/snapshot-table.ts';
import { namesNoTable } from '../words/damaged-snapshot.ts';

type Action = 'l' | 'a' | 'c' | 'd';

export function run(program: Program, args: readonly string[]): Outcome {
  const options = new CommandOptions(program, 'snapshot', args, {
    short: 'la:c:d:qU',
    long: { object: 'object:', 'image-opts': 'image-opts', 'force-share': 'U' },
  });
  const chosen = (['l', 'a', 'c', 'd'] as const).flatMap((name) =>
    options.values(name).map(() => name),
  );
  if (chosen.length > 1) throw usage("Cannot mix '-l', '-a', '-c', '-d'");
  const [action] = chosen;
  const filename = options.theImage();
  const isOptions = takesImageOptions(options);
  const source = imageSource(filename, { isOptions, objects: options.objects });
  const disk = openImage(program, {
    source,
    writable: action !== 'l',
    forceShare: options.has('U'),
  });
  withDisk(disk, () => {
    // Without a choice the image is opened, and that is all.
    if (action === undefined) return;
    // Going back opens the image once more.
    if (action === 'a' && disk.format === 'raw') warnOfRaw(program, filename);
    perform(program, disk, action, options.value(action)!);
  });
  return action === 'l' ? 0 : source;
}

function perform(program: Program, disk: DiskFile, action: Action, name: string): void {
  if (action === 'l') (program.isJson ? listAsJson : list)(program, disk);
  else if (action === 'c') create(disk, name);
  else if (action === 'a') apply(disk, name);
  else remove(disk, name);
}

function list(program: Program, { capabilities }: DiskFile): void {
  const snapshots = capabilities.snapshots?.list() ?? [];
  if (snapshots.length > 0) {
    program.output.text(`Snapshot list:\n${snapshotTable(snapshots)}`);
  }
}

function listAsJson(program: Program, { capabilities }: DiskFile): void {
  program.line(jsonText((capabilities.snapshots?.list() ?? []).map(snapshotJson)));
}

/** Longest name that there is room for where QEMU keeps it. */
const MAX_NAME_BYTES = 255;

function create({ capabilities }: DiskFile, given: string): void {
  const name = Buffer.from(given).subarray(0, MAX_NAME_BYTES).toString();
  try {
    if (capabilities.snapshots === undefined) throw noSnapshots();
    capabilities.snapshots.createSync(name);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new Failure(
      `Could not create snapshot '${given}': ${numberedHostError(error.code === 'corrupt' ? 'EIO' : error.errno)}`,
      {
        cause: error,
      },
    );
  }
}

function noSnapshots(): DiskError {
  return new DiskError('unsupported', 'command.no-snapshots', 'The format has no snapshots');
}

function apply(disk: DiskFile, name: string): void {
  const { snapshots } = disk.capabilities;
  const couldNot = `Could not apply snapshot '${name}': `;
  if (snapshots === undefined) {
    throw new Failure(`${couldNot}Block driver does not support snapshots`);
  }
  // QEMU gives up for bitmaps before it looks for the snapshot.
  if (disk.info()[0]!.bitmaps.length > 0)
    throw new Failure(`${couldNot}Device has active dirty bitmaps`);
  try {
    snapshots.applySync(name);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (error.detail === 'qcow2.apply-with-bitmaps') {
      throw new Failure(`${couldNot}Device has active dirty bitmaps`, { cause: error });
    }
    const failed = `${couldNot}Failed to load snapshot: `;
    if (namesNoTable(error)) {
      throw new Failure([wordsOf(error), failed + requestReason(error)], { cause: error });
    }
    throw new Failure(failed + hostErrorText(error.errno), { cause: error });
  }
}

function remove({ capabilities }: DiskFile, name: string): void {
  const couldNot = `Could not delete snapshot '${name}': `;
  const { snapshots } = capabilities;
  // Unlike all others, this one takes no id.
  const found = snapshots?.list().find((each) => each.name === name);
  if (found === undefined) throw new Failure(`${couldNot}snapshot not found`);
  try {
    snapshots!.deleteSync(found.id);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new Failure(`${couldNot}${stageOf(error)}`, { cause: error });
  }
}

/** QEMU first drops a snapshot from the list, and then looks at what it has. */
function stageOf(error: DiskError): string {
  const { code, errno } = error;
  if (namesNoTable(error)) return wordsOf(error);
  if (code === 'corrupt') return `Failed to free the cluster and L1 table: ${hostErrorText('EIO')}`;
  return `Failed to remove snapshot from snapshot list: ${hostErrorText(errno)}`;
}
