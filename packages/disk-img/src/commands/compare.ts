/** `compare`: whether two disks hold the same. */
import { jsonText, requestReason } from '@diskfile/command';
import {
  type ChainProgress,
  compareDisks,
  type Comparison,
  DiskError,
  type DiskFile,
} from 'diskfile';
import { CommandOptions, isCacheMode } from '../arguments/options.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { closeQuietly, openImage } from '../images/open-image.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program, usage } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

/** Anything that keeps the disks from being compared. */
const EXIT_TROUBLE = 2;

export async function run(program: Program, args: readonly string[]): Promise<number> {
  try {
    return await compare(program, args);
  } catch (error) {
    // Misuse of the command line has the exit code of all commands.
    if (error instanceof Failure && !error.isUsage && error.exitCode === 1) {
      throw new Failure(error.lines, {
        exitCode: EXIT_TROUBLE,
        tail: error.tail,
        cause: error.cause,
      });
    }
    throw error;
  }
}

async function compare(program: Program, args: readonly string[]): Promise<number> {
  const options = new CommandOptions(program, 'compare', args, {
    short: 'f:F:T:pqsU',
    long: { object: 'object:', 'image-opts': 'image-opts', 'force-share': 'U' },
  });
  const { isJson } = options;
  const [firstName, secondName] = options.operands;
  if (options.operands.length !== 2) throw usage('Expecting two image file names');
  const isOptions = takesImageOptions(options, 'f', 'F');
  const { objects } = options;
  const cache = options.value('T');
  if (cache !== undefined && !isCacheMode(cache)) {
    throw new Failure(`Invalid source cache option: ${cache}`);
  }
  const open = (filename: string, format: string | undefined): DiskFile =>
    openImage(program, {
      source: imageSource(filename, { format, isOptions, objects }),
      forceShare: options.has('U'),
    });
  const disks: DiskFile[] = [];
  const isQuiet = options.has('q');
  const progress = new QemuProgress(program, options.has('p') && !isQuiet, false);
  try {
    disks.push(open(firstName!, options.value('f')));
    disks.push(open(secondName!, options.value('F')));
    const strict = options.has('s');
    progress.begin();
    const ends = new Set(disks.map(({ sizeBytes }) => sizeBytes));
    let warnsOfSize = ends.size > 1 && !strict && !isJson && !isQuiet;
    const onProgress = (at: ChainProgress): void => {
      // That all is done is shown once it has been said what has been found on the way.
      if (at.doneBytes < at.totalBytes) progress.update(at);
      if (!warnsOfSize || at.doneBytes < Math.min(...ends)) return;
      warnsOfSize = false;
      program.line('Warning: Image size mismatch!');
    };
    const result = await interruptible((signal) =>
      compareDisks(disks[0]!, disks[1]!, { strict, signal, onProgress }),
    ).catch((error: unknown) => {
      throw comparisonFailure(error, options.operands);
    });
    if (isJson) program.line(comparisonJson(result));
    if (result.identical) progress.complete();
    if (!isJson && !isQuiet) program.line(comparisonText(result));
    return result.identical ? 0 : 1;
  } finally {
    progress.finish(false);
    for (const disk of disks) closeQuietly(disk);
  }
}

const NO_STATUS_EXIT_CODE = 3;
const UNREADABLE_EXIT_CODE = 4;

function comparisonFailure(error: unknown, names: readonly string[]): Failure {
  const { request, operand, guestOffset = 0 } = error instanceof DiskError ? error.context : {};
  if (request === undefined || operand === undefined) {
    return new Failure(wordsOf(error), { cause: error });
  }
  const name = names[operand] ?? '';
  return request === 'block-status'
    ? new Failure(`Sector allocation test failed for ${name}`, {
        exitCode: NO_STATUS_EXIT_CODE,
        cause: error,
      })
    : new Failure(`Error while reading offset ${guestOffset} of ${name}: ${requestReason(error)}`, {
        exitCode: UNREADABLE_EXIT_CODE,
        cause: error,
      });
}

const SECTOR_BYTES = 512;

/** `kind` tells in what they differ, `offset` where they do first. */
function comparisonJson({ identical, kind, guestOffset, sizesDiffer }: Comparison): string {
  return jsonText({ identical, 'sizes-differ': sizesDiffer, kind, offset: guestOffset });
}

function comparisonText({ identical, kind, guestOffset = 0 }: Comparison): string {
  if (kind === 'size') return 'Strict mode: Image size mismatch!';
  if (identical) return 'Images are identical.';
  if (kind === 'allocation') return `Strict mode: Offset ${guestOffset} block status mismatch!`;
  const offset = Math.floor(guestOffset / SECTOR_BYTES) * SECTOR_BYTES;
  return `Content mismatch at offset ${offset}!`;
}
