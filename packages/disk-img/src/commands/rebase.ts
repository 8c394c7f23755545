/** `rebase`: puts an image onto another backing image, or onto none. */
import { isAbsolute } from 'node:path';
import { formatName, hostErrorText, requestReason } from '@diskfile/command';
import { DiskError, type DiskFile, rebaseDiskFile } from 'diskfile';
import { checkCache, checkSourceCache, CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { chainTarget, inspect, type InspectedImage } from '../images/chain-target.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { openBelow } from '../images/open-below.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program, usage } from '../program.ts';
import { openedName } from '../report/graph-name.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'rebase', args, {
    short: 'f:F:b:upt:T:qU',
    long: { object: 'object:', 'image-opts': 'image-opts', 'force-share': 'U' },
  });
  const filename = options.theImage();
  const isUnsafe = options.has('u');
  const name = options.value('b');
  if (name === undefined && !isUnsafe) {
    throw usage('Must specify backing file (-b) or use unsafe mode (-u)');
  }
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  checkCache(options.value('t'));
  checkSourceCache(options.value('T'));
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  const progress = new QemuProgress(program, options.has('p') && !options.has('q'));
  let isDone = false;
  try {
    const backing = name === undefined || name === '' ? undefined : name;
    const backingFormat = options.value('F');
    await rebase(program, source, { backing, backingFormat, isUnsafe, progress });
    isDone = true;
  } finally {
    progress.finish(isDone);
  }
  return source;
}

interface Rebase {
  readonly backing: string | undefined;
  readonly backingFormat: string | undefined;
  readonly isUnsafe: boolean;
  readonly progress: QemuProgress;
}

/** Formats whose images can be put onto others. */
const REBASABLE: ReadonlySet<string> = new Set(['qcow2', 'qed']);

/** Why a header does not take the name of a backing file. */
const HEADER_REASONS: ReadonlyMap<string, string> = new Map([
  ['qcow2.names-too-long', 'No space left in the file header'],
  ['qcow2.backing-name', hostErrorText('EINVAL')],
]);

async function rebase(
  program: Program,
  source: ImageSource,
  { backing, backingFormat, isUnsafe, progress }: Rebase,
): Promise<void> {
  const image = inspect(program, source, { backing: !isUnsafe });
  const { format } = image;
  if (backingFormat !== undefined && !isKnownFormat(backingFormat)) {
    throw new Failure(`Invalid format name: '${backingFormat}'`);
  }
  if (backing !== undefined && !isUnsafe) {
    refuseNameless(source, image, backing);
    lookAtNewBacking(source, backing, backingFormat);
  }
  const couldNot = `Could not change the backing file to '${backing ?? ''}': `;
  const formatNeeded = `${couldNot}backing format must be specified`;
  const isFormatMissing = backing !== undefined && backingFormat === undefined;
  // QEMU copies what differs before it says so, of what can be put onto others.
  const isAtOnce = isUnsafe || !program.isLookAlike || !REBASABLE.has(format);
  if (isFormatMissing && isAtOnce) throw new Failure(formatNeeded);
  if (!REBASABLE.has(format)) throw new Failure(`${couldNot}${hostErrorText('ENOTSUP')}`);
  const { target, options } = chainTarget(program, source);
  try {
    await interruptible((signal) =>
      rebaseDiskFile(target, {
        ...options,
        backing,
        backingFormat,
        unsafe: isUnsafe,
        onProgress: progress.update,
        signal,
      }),
    );
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'aborted') throw error;
    if (error.detail === 'chain.names-itself') throw lockedByItself(backing!, error);
    if (error.detail === 'chain.format-needed') throw new Failure(formatNeeded, { cause: error });
    const inHeader = HEADER_REASONS.get(error.detail);
    if (inHeader !== undefined) throw new Failure(`${couldNot}${inHeader}`, { cause: error });
    throw new Failure(copyWords(error) ?? wordsOf(error), { cause: error });
  }
}

/** What failed as the image was compared with the new chain; undefined for what came before. */
function copyWords(error: DiskError): string | undefined {
  const { request, operand } = error.context;
  if (request === 'read') {
    return `error while reading from ${operand === 0 ? 'old' : 'new'} backing file`;
  }
  if (request === 'write') return `Error while writing to COW image: ${requestReason(error)}`;
  if (request === undefined) return undefined;
  return `error while reading image metadata: ${requestReason(error)}`;
}

/** Where an image has no name, nobody knows where names in it begin. */
function refuseNameless({ graph }: ImageSource, image: InspectedImage, backing: string): void {
  if (graph === undefined || isAbsolute(backing) || /^[^:/]*:/.test(backing)) return;
  const name = openedName(graph, formatName(image.format), image.backing?.name);
  if (!name.startsWith('json:')) return;
  throw new Failure(
    `Could not resolve backing filename: Cannot use relative backing file names for '${name}'`,
  );
}

function lookAtNewBacking(
  { path, objects }: ImageSource,
  backing: string,
  format: string | undefined,
): void {
  let below: DiskFile;
  try {
    below = openBelow({ name: backing, format, above: path ?? '', objects, isRead: true });
  } catch (error) {
    const { message: reason, cause } = error as Error;
    throw new Failure(`Could not open new backing file '${backing}': ${reason}`, { cause });
  }
  below.closeSync();
}

function lockedByItself(backing: string, cause: unknown): Failure {
  return new Failure(
    `Could not open new backing file '${backing}': Failed to get shared "write" lock\n` +
      `Is another process using the image [${backing}]?`,
    { cause },
  );
}
