/** `diff`: in which ranges two disks differ, or in which files. */
import { printable } from '@diskfile/command';
import {
  diskDifferences,
  DiskError,
  type DiskFile,
  type FileDifference,
  fileDifferencesSync,
  type FileSystem,
  openFileSystemSync,
  openGuestSync,
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
    const count = options.has('files')
      ? listFiles(new List(program, form), first!, second!, names)
      : await listRanges(
          new List(program, { ...form, heading: HEADING }),
          first!,
          second!,
          progress,
        );
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

function listFiles(
  list: List,
  first: DiskFile,
  second: DiskFile,
  names: readonly string[],
): number {
  const one = filesOf(first, names[0]!);
  try {
    const other = filesOf(second, names[1]!);
    try {
      for (const difference of fileDifferencesSync(one, other)) {
        list.add({ ...difference }, fileLine(difference));
      }
    } catch (error) {
      throw readingFailure(error, [first, second], names);
    } finally {
      other.closeSync();
    }
  } finally {
    one.closeSync();
  }
  list.end();
  return list.count;
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

/** Those of the guest, or of the filesystem that fills the disk. */
function filesOf(disk: DiskFile, filename: string): FileSystem {
  try {
    return openGuestSync(disk).fileSystem;
  } catch (error) {
    if (!(error instanceof DiskError) || error.detail !== 'guest.no-root') throw error;
  }
  try {
    return openFileSystemSync(disk);
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
