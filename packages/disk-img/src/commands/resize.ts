/** `resize`: makes a disk larger or smaller. */
import { DiskError, type DiskFile, type Preallocation } from 'diskfile';
import { readOptions } from '../arguments/option-list.ts';
import { CommandOptions } from '../arguments/options.ts';
import { MAX_OFFSET } from '../arguments/sizes.ts';
import type { Outcome } from '../command.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage, withDisk } from '../images/open-image.ts';
import { Failure, type Program, usage } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';

/** No host has larger files, and sizes are rounded up to sectors. */
const MAX_WHOLE_SECTORS = 2n ** 53n - 512n;
const TOO_LARGE = 'Could not resize file: File too large';
/** Why refcount blocks that count nothing are not given up; what is wrong with them is told before. */
const STRAY_BLOCKS: Readonly<Record<string, string>> = {
  'qcow2.refcount-block-uncovered': 'Input/output error',
  'qcow2.refcount-block-count': 'Invalid argument',
};
const PREALLOCATIONS = ['off', 'metadata', 'falloc', 'full'] as const;

export function run(program: Program, given: readonly string[]): Outcome {
  const args = program.isLookAlike ? given : sizeLast(given);
  if (args.length < 2) {
    // A lone `-h` asks for help, but by the name of the genuine command.
    if (args.length === 1 && !program.isLookAlike)
      void new CommandOptions(program, 'resize', args, SHAPES);
    throw usage('Not enough arguments');
  }
  // The size comes last, and may begin as an option does.
  const options = new CommandOptions(program, 'resize', args.slice(0, -1), SHAPES);
  const preallocation = preallocationOption(options.value('preallocation'));
  const [filename] = options.operands;
  if (options.operands.length !== 1) throw usage('Expecting image file name and size');
  const wanted = parseChange(args.at(-1)!);
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const source = imageSource(filename!, { format: options.value('f'), isOptions, objects });
  const disk = openImage(program, { source, writable: true });
  withDisk(disk, () => {
    resize(disk, wanted, { preallocation, shrink: options.has('shrink') });
    if (!options.has('q')) program.remark('Image resized.');
  });
  return source;
}

/** An option that is ours may stand behind the size as well, in one word or in two. */
function sizeLast(args: readonly string[]): readonly string[] {
  let words = 0;
  if (args.at(-1)?.startsWith('--output=') === true) words = 1;
  else if (args.at(-2) === '--output' && args.length > 3) words = 2;
  const end = args.length - words;
  return [...args.slice(end), ...args.slice(0, end)];
}

function notResizable(): Failure {
  return new Failure('Image format driver does not support resize');
}

const SHAPES = {
  short: 'f:q',
  long: {
    object: 'object:',
    'image-opts': 'image-opts',
    preallocation: 'preallocation:',
    shrink: 'shrink',
  },
};

function preallocationOption(text: string | undefined): Preallocation {
  const mode = PREALLOCATIONS.find((each) => each === (text ?? 'off'));
  if (mode !== undefined) return mode;
  throw new Failure(`Invalid preallocation mode '${text}'`);
}

interface SizeChange {
  readonly sign: 1n | -1n | 0n;
  readonly bytes: bigint;
}

function parseChange(text: string): SizeChange {
  const sign = text.startsWith('+') ? 1n : text.startsWith('-') ? -1n : 0n;
  const size = { name: 'size', type: 'size', help: '' } as const;
  try {
    const list = `size=${(sign === 0n ? text : text.slice(1)).replaceAll(',', ',,')}`;
    const { value } = readOptions(list, [size]).get('size')!;
    return { sign, bytes: BigInt(value as number | bigint) };
  } catch (error) {
    throw new Failure(wordsOf(error), { cause: error });
  }
}

interface ResizeRequest {
  readonly preallocation: Preallocation;
  readonly shrink: boolean;
}

function resize(
  disk: DiskFile,
  { sign, bytes }: SizeChange,
  { preallocation, shrink }: ResizeRequest,
): void {
  const current = BigInt(disk.sizeBytes);
  const total = BigInt.asIntN(64, sign === 0n ? bytes : current + sign * bytes);
  if (total <= 0n) throw new Failure('New image size must be positive');
  if (total <= current && preallocation !== 'off') {
    throw new Failure('Preallocation can only be used for growing images');
  }
  if (total < current && !shrink) throw shrinking();
  if (total > MAX_OFFSET) {
    throw new Failure(`offset(${total}) exceeds maximum(${MAX_OFFSET})`);
  }
  const { resizing } = disk.capabilities;
  if (resizing === undefined) throw notResizable();
  if (disk.format === 'qed') refuseOfQed(total, preallocation);
  if (disk.format === 'qcow2') refuseOfQcow2(total);
  if (disk.format === 'raw' && total > MAX_WHOLE_SECTORS) throw new Failure(TOO_LARGE);
  try {
    resizing.resizeSync(Number(total), { shrink, preallocation });
  } catch (error) {
    throw new Failure(refusalWords(error), { cause: error });
  }
}

function refusalWords(error: unknown): string | readonly string[] {
  if (isTooLarge(error)) return TOO_LARGE;
  const reason = STRAY_BLOCKS[error instanceof DiskError ? error.detail : ''];
  return reason === undefined ? wordsOf(error) : `Failed to discard unused refblocks: ${reason}`;
}

function isTooLarge(error: unknown): boolean {
  if (!(error instanceof DiskError)) return false;
  return error.errno === 'EFBIG' && error.context.purpose === undefined;
}

function shrinking(): Failure {
  return new Failure([
    'Use the --shrink option to perform a shrink operation.',
    "warning: Shrinking an image will delete all data beyond the shrunken image's end. Before " +
      'performing such an operation, make sure there is no important data there.',
  ]);
}

/** Some drivers of QEMU word their refusals in ways of their own. */
function refuseOfQed(total: bigint, preallocation: Preallocation): void {
  if (preallocation !== 'off') {
    throw new Failure(`Unsupported preallocation mode '${preallocation}'`);
  }
  const isPossible = total % 512n === 0n && total <= BigInt(Number.MAX_SAFE_INTEGER);
  if (!isPossible) throw new Failure('Invalid image size specified');
}

function refuseOfQcow2(total: bigint): void {
  if (total % 512n !== 0n) throw new Failure('The new size must be a multiple of 512');
  if (total <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  throw new Failure('Failed to grow the L1 table: File too large');
}
