/** `create`: makes a new image. */
import { formatName, Interrupted, shownFrom } from '@diskfile/command';
import { createDiskFile, DiskError, type UserObjects } from 'diskfile';
import {
  asksForHelp,
  joinOptionLists,
  optionHelp,
  type OptionValues,
  readOptions,
  shownOptions,
} from '../arguments/option-list.ts';
import { CommandOptions } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import type { Outcome } from '../command.ts';
import { CREATE_OPTIONS, createOptionsOf, type FormatOption } from '../formats/format-options.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { imageSource } from '../images/image-source.ts';
import {
  addBacking,
  type Backing,
  backingOf,
  backingRefusal,
  newImage,
} from '../images/new-image.ts';
import { openBelow } from '../images/open-below.ts';
import { OPEN_GATE } from '../images/open-image.ts';
import { removeSpoiled } from '../images/remove-spoiled.ts';
import { deviceFault, targetPath } from '../images/target-path.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type FailureOptions, type Program, usage } from '../program.ts';
import { creationWords } from '../words/creation-words.ts';
import { wordsOf } from '../words/disk-words.ts';

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'create', args, {
    short: 'F:b:f:o:qu',
    long: { object: 'object:' },
  });
  const format = options.value('f') ?? 'raw';
  const list = joinOptionLists(options.values('o'));
  const [filename, sizeText] = options.operands;
  if (filename === undefined && !asksForHelp(list)) throw usage('Expecting image file name');
  const sizeBytes = sizeText === undefined ? undefined : sizeArgument('image size', sizeText);
  if (options.operands.length > 2) throw usage(`Unexpected argument: ${options.operands[2]}`);
  if (asksForHelp(list)) return printOptions(program, format, filename !== undefined);
  await createImage(program, {
    filename: filename!,
    format,
    list,
    sizeBytes,
    backingName: options.value('b'),
    backingFormat: options.value('F'),
    unsafe: options.has('u'),
    quiet: options.has('q'),
    objects: options.objects,
  });
  return imageSource(filename!, { format });
}

/** @param withFile whether the file is known that is to be made, and so its own options as well */
function printOptions(program: Program, format: string, withFile: boolean): number {
  if (!isKnownFormat(format)) throw new Failure(`Unknown file format '${format}'`);
  const known = createOptionsOf(format);
  if (known === undefined) throw new Failure(cannotCreate(format));
  program.output.text(withFile ? optionHelp('Supported options', known) : formatOptionHelp(format));
  return 0;
}

/** Where it is not known what file there will be. */
export function formatOptionHelp(format: string): string {
  return (
    optionHelp(`Supported ${format} options`, CREATE_OPTIONS[format]!) +
    '\nThe protocol level may support further options.\n' +
    'Specify the target filename to include those options.\n'
  );
}

function cannotCreate(format: string): string {
  return `Format driver '${format}' does not support image creation`;
}

export interface Creation {
  readonly filename: string;
  readonly format: string;
  /** As behind `-o`. */
  readonly list: string;
  readonly sizeBytes: bigint | undefined;
  readonly backingName: string | undefined;
  readonly backingFormat: string | undefined;
  /** Does not look at the image below. */
  readonly unsafe: boolean;
  readonly quiet: boolean;
  readonly objects: UserObjects;
}

/** @throws Failure */
async function createImage(program: Program, creation: Creation): Promise<void> {
  const { filename, format } = creation;
  const refuse = (reason: string, options?: FailureOptions): Failure =>
    new Failure(`${filename}: ${reason}`, options);
  if (!isKnownFormat(format)) throw refuse(`Unknown file format '${format}'`);
  const known = createOptionsOf(format);
  if (known === undefined) throw refuse(cannotCreate(format));
  const path = pathOf(creation, refuse);
  const values = readValues(creation, known, refuse);
  const backing = backingOf(values);
  if (backing?.name === '') throw refuse('Expected backing file name, got empty string');
  if (backing?.name === filename) {
    throw refuse('Error: Trying to create an image with the same filename as the backing file');
  }
  settleSize(creation, values, refuse);
  if (!creation.quiet) {
    program.remark(`Formatting '${filename}', fmt=${format}${shownOptions(values, known)}`);
    program.output.flush();
  }
  const fault = backingFormatFault(format, values);
  if (fault !== undefined) throw refuse(fault);
  await make(program, creation, { path, values, refuse });
}

function pathOf({ filename, format }: Creation, refuse: Refusal): string {
  try {
    return targetPath(filename, format);
  } catch (error) {
    throw refuse(wordsOf(error), { cause: error });
  }
}

/** What a format says to that of the image below, if there is one. @returns why it is refused, if so */
export function backingFormatFault(format: string, values: OptionValues): string | undefined {
  const backingFormat = values.get('backing_fmt')?.text;
  if (backingFormat === undefined) return undefined;
  if (!isKnownFormat(backingFormat) && format !== 'vmdk') {
    return format === 'qcow'
      ? `unrecognized backing format '${backingFormat}'`
      : `Parameter 'backing-fmt' does not accept value '${backingFormat}'`;
  }
  if (backingOf(values) !== undefined) return undefined;
  if (format === 'qcow2') return 'Backing format cannot be used without backing file';
  const isForeign = format === 'vmdk' && backingFormat !== 'vmdk';
  return isForeign ? 'backing_file must be a vmdk image' : undefined;
}

type Refusal = (reason: string, options?: FailureOptions) => Failure;

function readValues(
  { format, list, backingName, backingFormat }: Creation,
  known: readonly FormatOption[],
  refuse: Refusal,
): OptionValues {
  let values: OptionValues;
  try {
    values = readOptions(list, known);
  } catch (error) {
    throw refuse(wordsOf(error), { cause: error });
  }
  const fault = addBacking(values, known, { name: backingName, format: backingFormat });
  if (fault !== undefined) throw refuse(backingRefusal(fault, format));
  return values;
}

/** Decides on the size of the disk, which the image below has where nobody says otherwise. */
function settleSize(creation: Creation, values: OptionValues, refuse: Refusal): void {
  const { sizeBytes, unsafe } = creation;
  if (sizeBytes !== undefined && values.has('size')) {
    throw refuse('The image size must be specified only once');
  }
  if (sizeBytes !== undefined) setSize(values, sizeBytes);
  const backing = backingOf(values);
  if (backing !== undefined && !unsafe) {
    const below = lookBelow(creation, backing, refuse);
    if (!values.has('size')) setSize(values, BigInt(below.sizeBytes));
  } else if (backing !== undefined && backing.format === undefined) {
    throw refuse('Backing file specified without backing format');
  }
  if (!values.has('size')) throw refuse('Image creation needs a size parameter');
}

function setSize(values: OptionValues, bytes: bigint): void {
  const isExact = bytes <= BigInt(Number.MAX_SAFE_INTEGER);
  values.set('size', { text: String(bytes), value: isExact ? Number(bytes) : bytes });
}

/** An image may be made over one that is being written: its size and format are all that is asked. */
const LOOKING = { gate: OPEN_GATE, forceShare: true } as const;

function lookBelow(
  { filename, objects }: Creation,
  { name, format }: Backing,
  refuse: Refusal,
): { readonly sizeBytes: number } {
  let below: { sizeBytes: number; format: string };
  try {
    const disk = openBelow({ name, format, above: filename, objects, forceShare: true });
    below = { sizeBytes: disk.sizeBytes, format: disk.format };
    disk.closeSync();
  } catch (error) {
    throw refuse((error as Error).message, {
      tail: 'Could not open backing image.\n',
      cause: (error as Error).cause,
    });
  }
  if (format !== undefined) return below;
  throw refuse('Backing file specified without backing format', {
    tail: `Detected format of ${formatName(below.format)}.`,
  });
}

interface Making {
  readonly path: string;
  readonly values: OptionValues;
  readonly refuse: Refusal;
}

async function make(
  program: Program,
  { filename, format, objects }: Creation,
  { path, values, refuse }: Making,
): Promise<void> {
  try {
    const { sizeBytes, ...image } = newImage(format, values, objects);
    const fault = deviceFault(filename, format);
    if (fault !== undefined) throw refuse(fault);
    if (typeof sizeBytes === 'bigint') throw tooLarge();
    await interruptible((signal) =>
      createDiskFile(path, {
        format,
        sizeBytes: sizeBytes!,
        ...image,
        overwrite: true,
        ...LOOKING,
        signal,
      }),
    );
  } catch (error) {
    if (error instanceof Interrupted || error instanceof Failure) throw error;
    removeSpoiled(program, { target: filename, format }, error);
    const words = creationWords(error, { format, path, values });
    throw refuse(shownFrom(filename, words, error), { cause: error });
  }
}

function tooLarge(): DiskError {
  return new DiskError('limit', 'create.too-large', 'The disk is larger than any can be');
}
