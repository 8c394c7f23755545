/** `diff`: in which ranges two disks differ, or in which files. */
import { printable } from '@diskfile/command';
import {
  diskDifferences,
  DiskError,
  type DiskFile,
  type FileDifference,
  fileDifferencesSync,
  type FileSystem,
  type Guest,
  openFileSystemSync,
  openGuestSync,
  uncomparedMountsSync,
} from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { closeQuietly, openImage } from '../images/open-image.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program, usage } from '../program.ts';
import { List } from '../report/list.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

/** Anything that keeps the disks from being compared, as for `compare`. */
const EXIT_TROUBLE = 2;
const HEADING = 'Offset          Length';

export async function run(program: Program, args: readonly string[]): Promise<number> {
  try {
    return await diff(program, args);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'aborted') throw error;
    throw new Failure(wordsOf(error), { exitCode: EXIT_TROUBLE, cause: error });
  }
}

async function diff(program: Program, args: readonly string[]): Promise<number> {
  const options = new CommandOptions(program, 'diff', args, {
    short: 'f:F:pqU',
    long: {
      object: 'object:',
      'image-opts': 'image-opts',
      files: 'files',
      output: 'output:',
      'force-share': 'U',
    },
  });
  const form = { isJson: options.isJson, isQuiet: options.has('q') };
  const names = options.operands;
  if (names.length !== 2) throw usage('Expecting two image file names');
  const isOptions = takesImageOptions(options, 'f', 'F');
  const { objects } = options;
  const disks: DiskFile[] = [];
  const progress = new QemuProgress(program, options.has('p') && !form.isQuiet);
  let isDone = false;
  try {
    for (const [index, filename] of names.entries()) {
      const format = options.value(index === 0 ? 'f' : 'F');
      const source = imageSource(filename, { format, isOptions, objects, exitCode: EXIT_TROUBLE });
      const forceShare = options.has('U');
      disks.push(openImage(program, { source, forceShare, exitCode: EXIT_TROUBLE }));
    }
    const [first, second] = disks;
    if (options.has('files')) {
      const exitCode = listFiles(program, new List(program, form), [first!, second!], names);
      isDone = true;
      return exitCode;
    }
    const list = new List(program, { ...form, heading: HEADING });
    const count = await listRanges(list, first!, second!, progress);
    isDone = true;
    return count === 0 ? 0 : 1;
  } finally {
    progress.finish(isDone);
    for (const disk of disks) closeQuietly(disk);
  }
}

/** @returns how many there are */
async function listRanges(
  list: List,
  first: DiskFile,
  second: DiskFile,
  { update: onProgress }: QemuProgress,
): Promise<number> {
  await interruptible(async (signal) => {
    for await (const range of diskDifferences(first, second, { signal, onProgress })) {
      const { guestOffset: start, lengthBytes: length } = range;
      list.add({ start, length }, `${String(start).padEnd(15)} ${length}`);
    }
  });
  list.end();
  return list.count;
}

/** @returns the exit code */
function listFiles(
  program: Program,
  list: List,
  disks: readonly [DiskFile, DiskFile],
  names: readonly string[],
): number {
  let unseen = 0;
  const one = filesOf(disks[0], names[0]!);
  try {
    const other = filesOf(disks[1], names[1]!);
    try {
      for (const difference of fileDifferencesSync(one.fileSystem, other.fileSystem)) {
        list.add({ ...difference }, fileLine(difference));
      }
      unseen = tellUncompared(program, one.guest, other.guest, names);
    } catch (error) {
      throw readingFailure(error, disks, names);
    } finally {
      other.fileSystem.closeSync();
    }
  } finally {
    one.fileSystem.closeSync();
  }
  list.end();
  if (list.count > 0) return 1;
  return unseen > 0 ? EXIT_TROUBLE : 0;
}

/** @returns how many there are */
function tellUncompared(
  program: Program,
  first: Guest | undefined,
  second: Guest | undefined,
  names: readonly string[],
): number {
  if (first === undefined || second === undefined) return 0;
  const mounts = uncomparedMountsSync(first, second);
  for (const { guest, path, device, reason } of mounts) {
    const filename = names[guest === 'first' ? 0 : 1]!;
    program.warn(
      `warning: the files in ${printable(path)} of '${filename}' are not compared: ` +
        `${printable(device)}: ${reason}`,
    );
  }
  return mounts.length;
}

/** Says which of the images it is that cannot be read, and where. */
function readingFailure(
  error: unknown,
  disks: readonly DiskFile[],
  names: readonly string[],
): unknown {
  if (!(error instanceof DiskError)) return error;
  const { path, guestPath = '/' } = error.context;
  const filename = names[disks.findIndex(({ name }) => name === path)];
  if (filename === undefined) return error;
  const words = `error while reading ${printable(guestPath)} of '${filename}': ${wordsOf(error)}`;
  return new Failure(words, { exitCode: EXIT_TROUBLE, cause: error });
}

interface Files {
  readonly fileSystem: FileSystem;
  /** Undefined where a filesystem fills the disk. */
  readonly guest: Guest | undefined;
}

/** Those of the guest, or of the filesystem that fills the disk. */
function filesOf(disk: DiskFile, filename: string): Files {
  try {
    const guest = openGuestSync(disk);
    return { fileSystem: guest.fileSystem, guest };
  } catch (error) {
    if (!(error instanceof DiskError) || error.detail !== 'guest.no-root') throw error;
  }
  try {
    return { fileSystem: openFileSystemSync(disk), guest: undefined };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new Failure(`Could not list the files of '${filename}': ${wordsOf(error)}`, {
      exitCode: EXIT_TROUBLE,
      cause: error,
      hint: "Without '--files' the bytes of the disks are compared.",
    });
  }
}

const MARKS = { added: '+', removed: '-', changed: '!' } as const;

function fileLine({ path, change, aspects }: FileDifference): string {
  const what = aspects.length === 0 ? '' : ` (${aspects.join(', ')})`;
  return `${MARKS[change]} ${printable(path)}${what}`;
}
