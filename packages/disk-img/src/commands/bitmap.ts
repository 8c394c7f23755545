/** `bitmap`: works on the dirty bitmaps of an image. */
import { DiskError, type DiskBitmaps, type DiskFile } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import type { Outcome } from '../command.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { closeQuietly, openImage, withDisk } from '../images/open-image.ts';
import { Failure, type Program } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';

const ACTIONS = ['add', 'remove', 'clear', 'enable', 'disable', 'merge'] as const;

interface Action {
  readonly name: (typeof ACTIONS)[number];
  /** Of a merge. */
  readonly source: string;
  /** Whether what is added records nothing. */
  readonly isDisabled?: boolean;
}

export function run(program: Program, args: readonly string[]): Outcome {
  const options = new CommandOptions(program, 'bitmap', args, {
    short: 'b:f:F:g:',
    long: {
      add: 'add',
      clear: 'clear',
      disable: 'disable',
      enable: 'enable',
      merge: 'merge:',
      remove: 'remove',
      granularity: 'g:',
      'source-file': 'b:',
      'source-format': 'F:',
      object: 'object:',
      'image-opts': 'image-opts',
    },
  });
  const actions = options.given.flatMap(({ name, value }): Action[] => {
    const action = ACTIONS.find((each) => each === name);
    return action === undefined ? [] : [{ name: action, source: value }];
  });
  const granularity = options.value('g');
  // 0 stands for the usual one, and is as good as none.
  const granularityBytes =
    granularity === undefined
      ? undefined
      : Number(sizeArgument('granularity', granularity)) || undefined;
  checkUse(options, actions, granularityBytes);
  const [filename, bitmap] = options.operands;
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const source = imageSource(filename!, { format: options.value('f'), isOptions, objects });
  // Bitmaps are the image's own, whatever has become of those below.
  const disk = openImage(program, { source, writable: true, backing: false });
  withDisk(disk, () => {
    const other = openOther(program, options);
    try {
      const job = { disk, other, bitmap: bitmap!, granularityBytes };
      for (const action of atOnce(actions)) perform(job, action);
    } finally {
      if (other !== undefined) closeQuietly(other);
    }
  });
  return source;
}

function checkUse(
  options: CommandOptions,
  actions: readonly Action[],
  granularityBytes: number | undefined,
): void {
  const uses = (name: Action['name']): boolean => actions.some((action) => action.name === name);
  if (actions.length === 0) {
    throw new Failure(
      'Need at least one of --add, --remove, --clear, --enable, --disable, or --merge',
    );
  }
  if (granularityBytes !== undefined && !uses('add')) {
    throw new Failure('granularity only supported with --add');
  }
  if (options.has('F') && !options.has('b')) throw new Failure('-F only supported with -b');
  if (options.has('b') && !uses('merge')) {
    throw new Failure('Merge bitmap source file only supported with --merge');
  }
  if (options.operands.length !== 2) throw new Failure('Expecting filename and bitmap name');
}

function openOther(program: Program, options: CommandOptions): DiskFile | undefined {
  const filename = options.value('b');
  if (filename === undefined) return undefined;
  const source = imageSource(filename, { format: options.value('F') });
  return openImage(program, { source });
}

/** What is disabled as soon as it has been added is added so. */
function atOnce(actions: readonly Action[]): readonly Action[] {
  const [first, second, ...others] = actions;
  if (first?.name !== 'add' || second?.name !== 'disable') return actions;
  return [{ ...first, isDisabled: true }, ...others];
}

interface Job {
  readonly disk: DiskFile;
  /** Where the sources of merges are; the image itself when undefined. */
  readonly other: DiskFile | undefined;
  readonly bitmap: string;
  readonly granularityBytes: number | undefined;
}

function perform(job: Job, { name, source, isDisabled = false }: Action): void {
  const { bitmap } = job;
  try {
    const { bitmaps } = job.disk.capabilities;
    if (name === 'add' && bitmap === '') throw new Failure(NAMELESS);
    if (bitmaps === undefined) throw new Failure(name === 'add' ? cannotStore() : notFound(bitmap));
    if (name === 'add') add(bitmaps, job, !isDisabled);
    else if (name === 'merge') merge(bitmaps, job, source);
    else bitmaps[`${name}Sync`](bitmap);
  } catch (error) {
    const words =
      error instanceof Failure
        ? error.message
        : bitmapWords(error, bitmap, name === 'merge' ? source : undefined);
    const isInconsistent =
      error instanceof DiskError && error.detail === 'qcow2.bitmap-inconsistent';
    throw new Failure(`Operation ${name} on bitmap ${bitmap} failed: ${words}`, {
      tail: isInconsistent ? 'Try block-dirty-bitmap-remove to delete this bitmap from disk\n' : '',
      cause: error,
    });
  }
}

/** QEMU names the node that it has opened by a number, of which the last two digits are chance. */
const NODE_NAME = '#block142';

const NAMELESS = 'Bitmap name cannot be empty';

function cannotStore(): string {
  return `Can't store persistent bitmaps to ${NODE_NAME}: Operation not supported`;
}

function notFound(bitmap: string): string {
  return `Dirty bitmap '${bitmap}' not found`;
}

function add(bitmaps: DiskBitmaps, { bitmap, granularityBytes }: Job, enabled: boolean): void {
  const granularity = granularityBytes === undefined ? {} : { granularityBytes };
  bitmaps.createSync(bitmap, { enabled, ...granularity });
}

function merge(bitmaps: DiskBitmaps, { bitmap, other }: Job, source: string): void {
  if (other === undefined) {
    bitmaps.mergeSync(bitmap, [source]);
    return;
  }
  if (!bitmaps.list().some(({ name }) => name === bitmap)) throw new Failure(notFound(bitmap));
  const from = other.capabilities.bitmaps;
  if (from === undefined || !from.list().some(({ name }) => name === source)) {
    throw new Failure(notFound(source));
  }
  bitmaps.markSync(bitmap, from.dirtyRangesSync(source));
}

function bitmapWords(error: unknown, bitmap: string, source: string | undefined): string {
  if (!(error instanceof DiskError)) throw error;
  const isOfSource = source !== undefined && error.message.includes(JSON.stringify(source));
  const named = isOfSource ? source : bitmap;
  switch (error.detail) {
    case 'qcow2.bitmap-exists':
      return `Bitmap already exists: ${bitmap}`;
    case 'qcow2.bitmap-not-found':
      return notFound(named);
    case 'qcow2.bitmap-granularity':
      return 'Granularity must be power of 2 and at least 512';
    case 'qcow2.bitmap-name':
      return `Can't make bitmap '${bitmap}' persistent in '${NODE_NAME}': Name length exceeds maximum (1023 characters)`;
    case 'qcow2.bitmap-inconsistent':
      return `Bitmap '${named}' is inconsistent and cannot be used`;
    case 'qcow2.bitmap-version-2':
      return `Can't make bitmap '${bitmap}' persistent in '${NODE_NAME}': Cannot store dirty bitmaps in qcow2 v2 files`;
    default:
      return wordsOf(error);
  }
}
